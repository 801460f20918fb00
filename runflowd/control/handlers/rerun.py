"""Old files under the present recipe, and results that somebody deleted.

First a page of files is chosen and shown, which only reads; then those a person agreed to are marked. Intake
finds the mark and treats the file as one that changed; deliver fetches what was paid for.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from runflowd import files
from runflowd.control.command_context import MAX_NUMBER, Outside, count, flag, is_count, rule_named, text, texts
from runflowd.control.refusal import CommandRefused
from runflowd.core.own_settings import problems, settings_from
from runflowd.core.printable import excerpt, printable
from runflowd.core.review import Review
from runflowd.errors import ConfigError
from runflowd.pipeline.intake.acceptor import present_recipe
from runflowd.pipeline.intake.overrides import Overrides
from runflowd.pipeline.intake.references import read_references
from runflowd.pipeline.io_guard import Role
from runflowd.store.history import record
from runflowd.store.items import item_by_id, path_of
from runflowd.store.outputs import outputs_of
from runflowd.store.own_settings import request_rerun
from runflowd.store.rule_edits import deliver_under

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.control.command_context import Answer, CommandContext, Parameters
    from runflowd.core.model import Json, Reference, Rule
    from runflowd.store.connection import Row
    from runflowd.store.outputs import Output

MAX_SHOWN = 200
"""Letters of a setting that stand in the story of a file."""

PAGE = 200
"""Done files looked at for one answer; of each, folders or recipes are looked at."""

BUY, FETCH, COPY, SAME, GONE = "buy", "fetch", "copy", "same", "gone"
"""What a rerun does about a file: bought anew; its paid result fetched; its result, which lies where `output` was
before an edit, brought along; nothing to do; its source is not there."""


def choose(context: CommandContext, parameters: Parameters) -> Outside:
    """A page of done `items` of `rule` that match `patterns`, with `what` a rerun does, and where the `next` begins.

    It looks at `limit` files at most, with ids above `after`. With `missing` it is about results that are not there any
    more, else about recipes that changed; with `rejected` only about files whose result somebody rejected.
    """
    rule = rule_named(context, text(parameters, "rule") or "")
    missing = flag(parameters, "missing")
    limit = min(PAGE, max(1, count(parameters, "limit", PAGE)))
    chosen, then = done_rows(context, rule, parameters, limit)
    if flag(parameters, "rejected"):
        chosen = [row for row in chosen if row["review"] == Review.REJECTED]
    outputs = [outputs_of(context.connection, row["id"]) for row in chosen if missing]

    def look() -> Answer:
        return {"items": _by_result(rule, chosen, outputs) if missing else _by_recipe(rule, chosen), "next": then}

    return Outside(rule, Role.WRITTEN if missing else Role.WATCHED, look)


def done_rows(context: CommandContext, rule: Rule, parameters: Parameters, limit: int) -> tuple[list[Row], int | None]:
    """Of `limit` done files of a rule, from `after` on, those that match `patterns`; and where the next page begins."""
    patterns = texts(parameters, "patterns")
    span = {"after": count(parameters, "after", 0), "until": MAX_NUMBER, "limit": limit}
    rows = context.connection.all("list_of_state", rule=rule.name, state="done", literal=b"", name="", **span)
    current = [row for row in rows if row["current"]]
    chosen = [row for row in current if not patterns or any(fnmatchcase(path_of(row), each) for each in patterns)]
    return chosen, rows[-1]["id"] if len(rows) == limit else None


def own_settings_of(row: Row) -> Mapping[str, Json]:
    """The inputs that were set for the file of a row alone."""
    return settings_from(row["settings"], row["settings_of"]).values


def run_again(context: CommandContext, parameters: Parameters) -> Answer:
    """Mark the `items` (id and reference, as `choose` gave them): fetched with `missing`, else run again.

    An item with `settings`, as `handlers/own_settings.py` gave them, is made with just these of its own from then on.
    """
    missing, who, marked = flag(parameters, "missing"), text(parameters, "who") or "", 0
    items = parameters.get("items", ())
    for entry in items if isinstance(items, list | tuple) else (items,):
        match entry:
            case {"id": number, "reference": str(reference)} if is_count(number):
                settings = None if missing else _settings(context, number, entry)
                if _mark(context, number, reference, settings, missing=missing):
                    detail = _detail(settings, missing=missing)
                    record(
                        context.connection, number, context.now, f"{detail}{f', by {printable(who)}' if who else ''}"
                    )
                    marked += 1
            case _:
                raise CommandRefused("items must be a list of ids and references", 2)
    return {"marked": marked}


def _mark(
    context: CommandContext, number: int, reference: str, settings: dict[str, Json] | None, *, missing: bool
) -> bool:
    if not missing:
        return request_rerun(context.connection, number, reference, settings)
    if not context.connection.run("fetch_again", id=number, reference=reference):
        return False
    _deliver_here(context, number)
    return True


def _settings(context: CommandContext, number: int, entry: Mapping[str, Any]) -> dict[str, Json] | None:
    """The settings of its own that an item is to be made with, None to leave them. Raises CommandRefused."""
    if "settings" not in entry:
        return None
    settings, item = entry["settings"], item_by_id(context.connection, number)
    if not isinstance(settings, dict) or not all(isinstance(name, str) for name in settings):
        raise CommandRefused("settings must be values by name", 2)
    if item is not None and (wrong := problems(settings, rule_named(context, item.rule))):
        raise CommandRefused("\n".join(wrong), 2)
    return settings


def _detail(settings: dict[str, Json] | None, *, missing: bool) -> str:
    if missing:
        return "a rerun was asked for: its result is fetched again"
    if settings is None:
        return "a rerun was asked for: under the rule as it is now"
    said = ", ".join(f"{printable(name)} {excerpt(str(value), MAX_SHOWN)!r}" for name, value in settings.items())
    return f"a rerun was asked for: with {said}" if said else "a rerun was asked for: without settings of its own"


def _deliver_here(context: CommandContext, number: int) -> None:
    """Results go to where the rule says now; of a rule that is there no more, to where they went before."""
    item = item_by_id(context.connection, number)
    rule = next((each for each in context.config.rules if item and each.name == item.rule), None)
    if item is not None and rule is not None and item.present:
        deliver_under(context.connection, number, item.snapshot, rule)


def _by_recipe(rule: Rule, rows: list[Row]) -> list[dict[str, Any]]:
    try:
        references = read_references(rule.files, {})
    except files.FileError as error:
        raise CommandRefused(f"rule {rule.name}: a file named under `files` cannot be used: {error}") from error
    overrides = Overrides(rule)
    return [_item_json(row, _under(rule, row, overrides, references)) for row in rows]


def _under(rule: Rule, row: Row, overrides: Overrides, references: dict[str, Reference]) -> str:
    path = path_of(row)
    if row["absent_at"] is not None or files.stat(rule.watch, path) is None:
        return GONE
    try:
        settings = overrides.for_folder(path.rpartition("/")[0])
    except (ConfigError, files.FileError) as error:
        raise CommandRefused(str(error)) from error
    return (
        SAME
        if present_recipe(rule, path, {**settings, **own_settings_of(row)}, references)[1] == row["recipe_hash"]
        else BUY
    )


def _by_result(rule: Rule, rows: list[Row], outputs: list[list[Output]]) -> list[dict[str, Any]]:
    return [_item_json(row, _of_result(found, rule, row)) for row, found in zip(rows, outputs, strict=True)]


def _of_result(outputs: list[Output], rule: Rule, row: Row) -> str:
    """Whether the results of a done item are there, where the rule says now. What somebody edited is there."""
    if row["absent_at"] is None and any(output.path.root != rule.output for output in outputs):
        return COPY
    return FETCH if any(files.stat(*output.path) is None for output in outputs) else SAME


def _item_json(row: Row, what: str) -> dict[str, Any]:
    return {
        "id": row["id"],
        "reference": row["client_ref"],
        "path": printable(path_of(row)),
        "what": what,
        "cost": row["cost"],
        "currency": row["currency"],
        "hosted": row["hosted"],
        "own_settings": dict(own_settings_of(row)),
    }
