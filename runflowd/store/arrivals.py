"""Files on their way into the store: recorded when they rest, set aside with a reason, forgotten when gone."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.core.arrival import Decision, Twin, decide
from runflowd.core.lifecycle import ItemState
from runflowd.store.items import Item, Known, item_at, move, promote_follower, split

if TYPE_CHECKING:
    from runflowd.core.model import Json, Stat
    from runflowd.store.connection import Connection


RERUN = -2
"""The size of a row whose file a person wants sent again under the present recipe; no file has it, so it is read."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that came to rest: its facts, and what it would be sent as."""

    rule: str
    path: str
    stat: Stat
    content: str
    mime: str
    recipe: str
    input: Json
    snapshot: str


def arrive(connection: Connection, arrival: Arrival, now: float, *, disposed: bool = False) -> Decision:
    """Record a file that came to rest and say what was decided about it; `disposed` is that of `decide`.

    The decision and the row are one transaction, so two equal files can never both be bought.
    """
    existing = item_at(connection, arrival.rule, arrival.path)
    # A file to be run again counts as changed: its result stands until the new one replaces it, and
    # a result that was bought under the very same recipe is taken, not bought.
    same_content = existing is not None and existing.content == arrival.content and existing.stat.size != RERUN
    twin = _twin(connection, arrival, existing.id if existing and same_content else -1)
    decision = decide(
        existing.state if existing else None,
        same_content=same_content,
        twin=twin,
        disposed=disposed,
    )
    if existing and decision.touch:
        connection.run("touch_item", id=existing.id, **_stat(arrival.stat))
        if decision.state is not existing.state:
            move(connection, existing.id, existing.state, decision.state)
        return decision
    values = _arrival_values(arrival, decision, now)
    if existing and decision.supersede:
        connection.run("supersede_item", id=existing.id)
    if existing and not decision.supersede:
        promote_follower(connection, existing.id)
        connection.run("replace_item", id=existing.id, **values)
    else:
        noted = 2 if existing and existing.noted else 0
        connection.run("insert_item", rule=arrival.rule, noted=noted, now=now, **split(arrival.path), **values)
    return decision


def arrive_again(connection: Connection, item: Item, arrival: Arrival, now: float) -> None:
    """Word a ready item anew, after its rule was edited; a twin under the new recipe is not bought twice."""
    twin = _twin(connection, arrival, item.id)
    decision = decide(ItemState.WAITING, same_content=True, twin=twin)
    promote_follower(connection, item.id)
    connection.run("replace_item", id=item.id, **_arrival_values(arrival, decision, now))


def _twin(connection: Connection, arrival: Arrival, besides: int) -> Twin | None:
    row = connection.one("twin", rule=arrival.rule, content=arrival.content, recipe=arrival.recipe, id=besides)
    return Twin(row["id"], ItemState(row["state"])) if row else None


def _stat(stat: Stat) -> dict[str, int]:
    return {"size": stat.size, "mtime_ns": stat.mtime_ns, "inode": stat.inode}


_TWIN_UNKNOWN = "another file has the same content, and whether that was bought is not known"


def _arrival_values(arrival: Arrival, decision: Decision, now: float) -> dict[str, object]:
    doubtful = decision.state is ItemState.UNKNOWN
    return {
        **_stat(arrival.stat),
        "state": decision.state,
        "content": arrival.content,
        "mime": arrival.mime,
        "recipe": arrival.recipe,
        "input": json.dumps(arrival.input),
        "snapshot": arrival.snapshot,
        "client_ref": uuid.uuid4().hex,
        "source_item": decision.twin,
        "failure_code": "TWIN_UNKNOWN" if doubtful else "",
        "failure": _TWIN_UNKNOWN if doubtful else "",
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
    if existing and (existing.stat, existing.state, existing.failure_code) == (stat, state, code):
        return False
    values: dict[str, object] = {
        **dict.fromkeys(("content", "recipe", "input", "snapshot", "source_item", "ready_at")),
        **_stat(stat),
        "state": state,
        "mime": "",
        "client_ref": uuid.uuid4().hex,
        "failure_code": code,
        "failure": reason,
        "ended_at": now if state is ItemState.FAILED else None,
    }
    replaceable = {
        ItemState.WAITING,
        ItemState.READY,
        ItemState.FOLLOWING,
        ItemState.FAILED,
        ItemState.SKIPPED,
    }
    if existing and existing.state in replaceable:
        promote_follower(connection, existing.id)
        connection.run("replace_item", id=existing.id, **values)
        return True
    if existing:
        connection.run("supersede_item", id=existing.id)
    connection.run(
        "insert_item", rule=rule, noted=2 if existing and existing.noted else 0, now=now, **split(path), **values
    )
    return True


def forget_absent(connection: Connection, known: Known, now: float) -> None:
    """The file is gone: unbought rows are dropped, bought ones remembered as absent."""
    if known.state in {ItemState.READY, ItemState.FOLLOWING}:
        promote_follower(connection, known.id)
        move(
            connection,
            known.id,
            known.state,
            ItemState.SKIPPED,
            code="GONE",
            reason="deleted before it was sent",
        )
    if not connection.run("delete_unbought", id=known.id):
        connection.run("mark_absent", id=known.id, now=now)


def drop_ready(connection: Connection, number: int) -> None:
    """The rule takes this file no more, and it was not sent: found anew if the rule takes it again."""
    promote_follower(connection, number)
    move(
        connection,
        number,
        ItemState.READY,
        ItemState.SKIPPED,
        code="EXCLUDED",
        reason="left out since the rule was edited",
    )
    if not connection.run("delete_unbought", id=number):
        connection.run("look_again", id=number)
