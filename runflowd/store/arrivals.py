"""Files on their way into the store: recorded when they are stable, set aside with a reason."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runflowd.core.arrival import UNBOUGHT, Decision, Original, decide
from runflowd.core.droppings import BAD_OVERRIDE
from runflowd.core.lifecycle import ItemState, check_item
from runflowd.core.own_settings import NO_SETTINGS
from runflowd.store.deliveries import bring_back
from runflowd.store.duplicates import promote_duplicate
from runflowd.store.history import record, record_all
from runflowd.store.items import Item, NoteState, item_at, path_of, split
from runflowd.store.moves import move
from runflowd.store.own_settings import settings_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runflowd.core.model import Json, Stat
    from runflowd.core.own_settings import OwnSettings
    from runflowd.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that became stable: its facts, and what it would be sent as; `settings` are those of its own in that."""

    rule: str
    path: str
    stat: Stat
    content_hash: str
    mime: str
    recipe_hash: str
    input: Json
    snapshot: str
    pixels: int | None = None
    settings: OwnSettings = NO_SETTINGS


def foresee(connection: Connection, arrival: Arrival, *, disposed: bool = False) -> tuple[Item | None, Decision]:
    """The item at the path of a stable file, and what is to become of the file; reads only (`decide`)."""
    existing = item_at(connection, arrival.rule, arrival.path)
    if existing is not None and _is_refused(existing, arrival):
        return existing, Decision(existing.state, touch=True)
    # A file to be run again counts as changed: its result stands until the new one replaces it, and
    # a result that was bought under the very same recipe is taken, not bought.
    same_content = (
        existing is not None and existing.content_hash == arrival.content_hash and not existing.rerun_requested
    )
    original = _original(connection, arrival, existing.id if existing and same_content else -1)
    state = existing.state if existing else None
    return existing, decide(state, same_content=same_content, original=original, disposed=disposed)


def _is_refused(existing: Item, arrival: Arrival) -> bool:
    """Whether the service refused just this, for a value of its folder: it waits until that is another one."""
    return (
        existing.state is ItemState.WAITING
        and existing.failure_code == BAD_OVERRIDE
        and (existing.content_hash, existing.input, existing.snapshot)
        == (arrival.content_hash, arrival.input, arrival.snapshot)
    )


def arrive(connection: Connection, arrival: Arrival, now: float, *, disposed: bool = False) -> Decision:
    """Record a file that became stable and say what was decided about it; `disposed` is that of `decide`.

    The decision and the row are one transaction, so two equal files can never both be bought.
    """
    existing, decision = foresee(connection, arrival, disposed=disposed)
    if existing and decision.touch:
        connection.run("touch_item", id=existing.id, **_stat(arrival.stat))
        if existing.state is ItemState.DONE and bring_back(connection, existing.id, now):
            return Decision(ItemState.DOWNLOADING, touch=True)
        if decision.state is existing.state:
            record(connection, existing.id, now, "looked at again: the same content")
        else:
            detail = "dropped again: its result is there, its source is disposed of"
            move(connection, existing.id, existing.state, decision.state, by=None, now=now, detail=detail)
        return decision
    values = _arrival_values(arrival, decision, now)
    detail = _detail(connection, arrival, decision)
    if existing and not decision.supersede:
        _write_over(connection, existing, values, now, detail)
    else:
        _write_beside(connection, arrival.rule, arrival.path, existing, values, now, detail)
    return decision


def arrive_new(
    connection: Connection, arrivals: Sequence[Arrival], now: float, *, disposed: bool = False
) -> list[Decision]:
    """The same for several files of which nothing is on record (`known.new_files`), with a few statements for all."""
    decision = decide(None, same_content=False, original=None, disposed=disposed)
    values = [_arrival_values(each, decision, now) for each in arrivals]
    recipes = {each["recipe_hash"]: each["input"] for each in values}
    connection.run_many("save_recipe", [{"recipe_hash": key, "input": text} for key, text in recipes.items()])
    rows = [
        {"rule": each.rule, "note_state": NoteState.NONE, "now": now, **split(each.path), **row}
        for each, row in zip(arrivals, values, strict=True)
    ]
    numbers = [answer[0]["id"] for answer in connection.all_each("insert_item", rows)]
    details = [_detail(connection, each, decision) for each in arrivals]
    record_all(connection, dict(zip(numbers, details, strict=True)), now)
    return [decision] * len(arrivals)


def arrive_again(connection: Connection, item: Item, arrival: Arrival, now: float) -> None:
    """Rebuild an unsent item after its rule was edited; a duplicate under the new recipe is not bought twice."""
    decision = foresee_again(connection, item, arrival)
    detail = f"worded anew after an edit of its rule: {_detail(connection, arrival, decision)}"
    _write_over(connection, item, _arrival_values(arrival, decision, now), now, detail)


def foresee_again(connection: Connection, item: Item, arrival: Arrival) -> Decision:
    """What becomes of an unsent item that is worded anew; reads only."""
    return decide(ItemState.WAITING, same_content=True, original=_original(connection, arrival, item.id))


def _write_over(connection: Connection, existing: Item, values: dict[str, Any], now: float, detail: str) -> None:
    """Give the row of a content that was not bought to the content that took its place."""
    if values["state"] is not existing.state:
        check_item(existing.state, values["state"])
    same = (values["content_hash"], values["recipe_hash"]) == (existing.content_hash, existing.recipe_hash)
    if not (same and values["state"] is ItemState.READY):  # else its duplicates still wait for it
        promote_duplicate(connection, existing.id, now)
    _save_recipe(connection, values)
    connection.run("drop_answer", item=existing.id)
    connection.run("replace_item", id=existing.id, **values)
    record(connection, existing.id, now, detail, values["failure_code"])


def _write_beside(
    connection: Connection, rule: str, path: str, existing: Item | None, values: dict[str, Any], now: float, detail: str
) -> None:
    """A row of its own; the content that was at that path, and may have been bought, is kept beside it."""
    if existing:
        connection.run("supersede_item", id=existing.id)
    _save_recipe(connection, values)
    note_state = NoteState.OUTDATED if existing and existing.note_state is not NoteState.NONE else NoteState.NONE
    number = connection.all("insert_item", rule=rule, note_state=note_state, now=now, **split(path), **values)[0]["id"]
    record(connection, number, now, detail, values["failure_code"])
    if existing:
        same = existing.content_hash == values["content_hash"]
        what = "it is made again" if same else "another content took its place"
        record(connection, existing.id, now, f"{what}: item {number}")


def _save_recipe(connection: Connection, values: dict[str, Any]) -> None:
    if values["recipe_hash"] is not None:
        connection.send("save_recipe", recipe_hash=values["recipe_hash"], input=values["input"])


def _detail(connection: Connection, arrival: Arrival, decision: Decision) -> str:
    """What became of a stable file, in words."""
    facts = f"{arrival.stat.size:,} bytes, {arrival.mime}, content {arrival.content_hash[:12]}"
    found = f"stable, {facts}{arrival.settings.words}"
    original = connection.one("item_by_id", id=decision.original) if decision.original is not None else None
    if original is None:
        return found
    same = f"{found}, the same as item {original['id']} ({path_of(original)})"
    match decision.state:
        case ItemState.OUTCOME_UNKNOWN:
            return f"{same}: {_ORIGINAL_UNKNOWN}"
        case ItemState.DOWNLOADING:
            return f"{same}, which is done: takes its result"
        case _:
            return f"{same}, which is on its way: takes its result, buys nothing"


def _original(connection: Connection, arrival: Arrival, besides: int) -> Original | None:
    row = connection.one(
        "original",
        rule=arrival.rule,
        content_hash=arrival.content_hash,
        recipe_hash=arrival.recipe_hash,
        id=besides,
    )
    return Original(row["id"], ItemState(row["state"])) if row else None


def _stat(stat: Stat) -> dict[str, int]:
    return {"size": stat.size, "mtime_ns": stat.mtime_ns, "inode": stat.inode}


_ORIGINAL_UNKNOWN = "another file has the same content, and whether that was bought is not known"


def _arrival_values(arrival: Arrival, decision: Decision, now: float) -> dict[str, Any]:
    doubtful = decision.state is ItemState.OUTCOME_UNKNOWN
    return {
        **_stat(arrival.stat),
        "state": decision.state,
        "content_hash": arrival.content_hash,
        "mime": arrival.mime,
        "recipe_hash": arrival.recipe_hash,
        "input": json.dumps(arrival.input),
        "snapshot": arrival.snapshot,
        "pixels": arrival.pixels,
        **settings_values(arrival.settings),
        "client_ref": uuid.uuid4().hex,
        "duplicate_of": decision.original,
        "failure_code": "ORIGINAL_UNKNOWN" if doubtful else "",
        "failure": _ORIGINAL_UNKNOWN if doubtful else "",
        "ready_at": now,
        "ended_at": now if doubtful else None,
    }


def set_aside(
    connection: Connection,
    rule: str,
    path: str,
    stat: Stat,
    state: ItemState,
    code: str,
    reason: str,
    now: float,
) -> bool:
    """Record a file that is not taken: waiting, failed or skipped, with the reason.

    Bought work at that path is superseded, never overwritten. True when this is news.
    """
    existing = item_at(connection, rule, path)
    as_before = existing and (existing.stat, existing.state, existing.failure_code) == (stat, state, code)
    if existing and as_before and not existing.requested:
        return False
    values: dict[str, Any] = {
        **settings_values(existing.next_settings if existing else NO_SETTINGS),
        **dict.fromkeys(("content_hash", "recipe_hash", "input", "snapshot", "duplicate_of", "ready_at", "pixels")),
        **_stat(stat),
        "state": state,
        "mime": "",
        "client_ref": uuid.uuid4().hex,
        "failure_code": code,
        "failure": reason,
        "ended_at": now if state is ItemState.FAILED else None,
    }
    if existing and existing.state in UNBOUGHT:
        _write_over(connection, existing, values, now, reason)
    else:
        _write_beside(connection, rule, path, existing, values, now, reason)
    return True
