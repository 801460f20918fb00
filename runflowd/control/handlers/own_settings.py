"""One file made again with settings of its own: what could be set, what that would do, and what it would cost.

This only reads. Those that a person agreed to are marked as any rerun is (`handlers/rerun.py`), with the settings as
they stand in this answer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runflowd import files
from runflowd.control.command_context import Outside, count, flag, rule_asked_for, rule_named, text
from runflowd.control.handlers.rerun import BUY, GONE, PAGE, SAME, done_rows, own_settings_of
from runflowd.control.named_files import items_at
from runflowd.control.refusal import CommandRefused
from runflowd.core.lifecycle import ItemState
from runflowd.core.own_settings import SettingsRefused, as_text, changeable, parse
from runflowd.core.printable import names_a_secret, printable
from runflowd.errors import ConfigError
from runflowd.pipeline.intake.acceptor import present_recipe
from runflowd.pipeline.intake.overrides import Overrides
from runflowd.pipeline.intake.references import read_references
from runflowd.pipeline.io_guard import Role
from runflowd.store.items import item_at, path_of
from runflowd.store.redo_price import Redo, expect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runflowd.control.command_context import Answer, CommandContext, Parameters
    from runflowd.core.declared import Declared
    from runflowd.core.model import Json, Rule
    from runflowd.store.connection import Row

_MADE = frozenset({ItemState.DONE, ItemState.FAILED})
"""States in which a file has been made, or was refused, and may be made again."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """A file as its folder has it: `usual` is the input without settings of its own, `settings` those that differ."""

    row: Row
    what: str
    usual: dict[str, Json]
    settings: dict[str, Json]
    input: Json
    recipe: str


def files_named(context: CommandContext, parameters: Parameters) -> Answer:
    """The `items` whose source or result is at `path`, below a watched folder, or at `absolute`; and all `rules`."""
    path, rule = text(parameters, "path") or "", rule_asked_for(context, parameters)
    named = list(items_at(context, rule, path, text(parameters, "absolute") or ""))
    current = [each if each.current else item_at(context.connection, each.rule, each.path) for each in named]
    found = {item.id: item for item in current if item is not None}
    return {
        "items": [{"id": each.id, "rule": each.rule, "path": printable(each.path)} for each in found.values()],
        "rules": [each.name for each in context.config.rules],
    }


def propose(context: CommandContext, parameters: Parameters) -> Outside:
    """What becomes of files of `rule` with `settings` of their own, texts by name; `forget` leaves out earlier ones.

    It is about one `item`, or about a page of the done ones that match `patterns`. Each answer has the `settings` that
    differ from the rule, `what` a rerun does with them, and the price of one; beside them stand the limits of money.
    """
    rule, given = rule_named(context, text(parameters, "rule") or ""), _given(parameters)
    rows, further = _rows(context, rule, parameters)
    forget, declared = flag(parameters, "forget"), context.declared

    def look() -> Answer:
        return {"looked": [_look(rule, row, given, declared, forget=forget) for row in rows]}

    def answer(anew: CommandContext, found: Answer) -> Answer:
        looked: list[_Looked] = found["looked"]
        expected = expect(
            anew.connection,
            anew.config.money_in_force,
            rule,
            anew.config.service.name,
            [Redo(each.row["content_hash"], each.recipe, each.input, each.row["pixels"]) for each in looked],
            anew.now,
        )
        items = [_item_json(each, known, declared) for each, known in zip(looked, expected.known, strict=True)]
        for item, price, holds in zip(items, expected.prices, expected.holds, strict=True):
            item |= {"price": price, "holds": holds}
        return {
            "items": items,
            "next": further,
            "currency": expected.currency,
            "limits": expected.limits,
            "free": expected.free,
            "declared": bool(declared),
        }

    return Outside(rule, Role.WATCHED, look, answer)


def _given(parameters: Parameters) -> dict[str, str]:
    given = parameters.get("settings", {})
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise CommandRefused("settings must be texts by name", 2)
    return given


def _rows(context: CommandContext, rule: Rule, parameters: Parameters) -> tuple[list[Row], int | None]:
    """The files that are meant, and where the next page begins. Raises CommandRefused for one that is not to be had."""
    if "item" in parameters:
        row = context.connection.one("item_by_id", id=count(parameters, "item", 0))
        if (
            row is None
            or row["rule"] != rule.name
            or not row["current"]
            or row["state"] not in _MADE
            or not row["input"]
        ):
            raise CommandRefused("it cannot be made again as it stands now: look at how it stands", 1)
        return [row], None
    return done_rows(context, rule, parameters, PAGE)


def _look(rule: Rule, row: Row, given: Mapping[str, str], declared: Sequence[Declared], *, forget: bool) -> _Looked:
    """Blocking. Raises CommandRefused for settings that cannot be sent, and for what the folder or the rule names."""
    path = path_of(row)
    try:
        overrides = Overrides(rule).for_folder(path.rpartition("/")[0])
        references = read_references(rule.files, {})
        there = row["absent_at"] is None and files.stat(rule.watch, path) is not None
    except (ConfigError, files.FileError) as error:
        raise CommandRefused(str(error)) from error
    usual = rule.template.resolve(path, overrides)
    earlier = {} if forget else own_settings_of(row)
    try:
        settings = {**earlier, **parse(given, rule, usual, declared)}
    except SettingsRefused as error:
        raise CommandRefused(str(error), 2) from error
    differ = rule.template.resolve(path, {**overrides, **settings})
    settings = {name: value for name, value in settings.items() if name not in usual or differ[name] != usual[name]}
    symbolic, recipe = present_recipe(rule, path, {**overrides, **settings}, references)
    what = GONE if not there else SAME if recipe == row["recipe_hash"] and row["state"] == ItemState.DONE else BUY
    return _Looked(row, what, usual, settings, symbolic, recipe)


def _item_json(looked: _Looked, known: str, declared: Sequence[Declared]) -> dict[str, Any]:
    row = looked.row
    return {
        "id": row["id"],
        "reference": row["client_ref"],
        "path": printable(path_of(row)),
        "what": known if looked.what == BUY and known else looked.what,
        "settings": looked.settings,
        "cost": row["cost"],
        "hosted": row["hosted"],
        "fields": _fields(looked, {one.name: one for one in declared}),
    }


def _fields(looked: _Looked, declared: Mapping[str, Declared]) -> list[dict[str, Any]]:
    """The inputs that can be set: as the file was made, and as its rule and folder have them now."""
    made = changeable(json.loads(looked.row["input"]))
    usual = changeable(looked.usual)
    names = [*usual, *(name for name in looked.settings if name not in looked.usual)]
    found = []
    for name in (each for each in names if not names_a_secret(each)):
        value, one = made.get(name, usual.get(name, "")), declared.get(name)
        kind = "flag" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
        found.append(
            {
                "name": name,
                "kind": kind,
                "value": as_text(value),
                "usual": as_text(usual[name]) if name in usual else "",
                "choices": list(one.choices) if one else [],
                "minimum": one.minimum if one else None,
                "maximum": one.maximum if one else None,
                "description": printable(one.description) if one else "",
            }
        )
    return found
