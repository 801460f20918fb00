"""Rows of items: what is known of each file content, and the moves between states."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from runflowd.core.arrival import Decision, Twin, decide
from runflowd.core.lifecycle import ItemState, check_item
from runflowd.core.model import Json, Stat

if TYPE_CHECKING:
    from runflowd.store.connection import Connection, Row


_STATES = {state.value: state for state in ItemState}


class Known(NamedTuple):
    """What the store remembers of one path, as much as a directory look needs."""

    id: int
    stat: Stat
    state: ItemState
    present: bool


@dataclass(frozen=True, slots=True)
class Item:
    """One file content under one recipe."""

    id: int
    rule: str
    path: str
    current: bool
    present: bool
    noted: bool
    stat: Stat
    state: ItemState
    content: str | None
    mime: str
    input: Json
    snapshot: str | None
    batch: str | None
    position: int | None
    client_ref: str
    run_id: str | None
    source_item: int | None
    output: Json
    cost: Decimal | None
    failure_code: str
    failure: str
    attempts: int
    due_at: float
    ready_at: float | None
    ended_at: float | None
    generation: int


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


def split(path: str) -> dict[str, bytes]:
    """A relative path as the two columns that hold it."""
    folder, _, name = path.rpartition("/")
    return {"folder": os.fsencode(folder), "name": os.fsencode(name)}


def path_of(row: Row) -> str:
    """The relative path that a row's two columns hold."""
    folder, name = os.fsdecode(row["folder"]), os.fsdecode(row["name"])
    return f"{folder}/{name}" if folder else name


def item_from(row: Row) -> Item:
    """A whole `item` row as a value."""
    return Item(
        id=row["id"],
        rule=row["rule"],
        path=path_of(row),
        current=bool(row["current"]),
        present=row["absent_at"] is None,
        noted=bool(row["noted"]),
        stat=Stat(row["size"], row["mtime_ns"], row["inode"]),
        state=ItemState(row["state"]),
        content=row["content"],
        mime=row["mime"],
        input=json.loads(row["input"]) if row["input"] else None,
        snapshot=row["snapshot"],
        batch=row["batch"],
        position=row["position"],
        client_ref=row["client_ref"],
        run_id=row["run_id"],
        source_item=row["source_item"],
        output=json.loads(row["output"]) if row["output"] else None,
        cost=Decimal(row["cost"]) if row["cost"] else None,
        failure_code=row["failure_code"],
        failure=row["failure"],
        attempts=row["attempts"],
        due_at=row["due_at"],
        ready_at=row["ready_at"],
        ended_at=row["ended_at"],
        generation=row["generation"],
    )


def known_in_folder(connection: Connection, rule: str, folder: str) -> dict[str, Known]:
    """Every remembered file directly in a folder, by name."""
    rows = connection.all("known_in_folder", rule=rule, folder=os.fsencode(folder))
    # Rows are taken by place and states by table: a sweep does this for every file there is.
    return {
        os.fsdecode(name): Known(number, Stat(size, mtime_ns, inode), _STATES[state], bool(present))
        for number, name, size, mtime_ns, inode, state, present in rows
    }


def item_at(connection: Connection, rule: str, path: str) -> Item | None:
    """The current item of a path."""
    row = connection.one("item_at", rule=rule, **split(path))
    return item_from(row) if row else None


def item_by_id(connection: Connection, number: int) -> Item | None:
    """The item with that id, superseded or not."""
    row = connection.one("item_by_id", id=number)
    return item_from(row) if row else None


def items_of_batch(connection: Connection, batch: str) -> list[Item]:
    """The items of a batch in the order in which they were sealed."""
    return [item_from(row) for row in connection.all("items_of_batch", batch=batch)]


def arrive(connection: Connection, arrival: Arrival, now: float, *, disposed: bool = False) -> Decision:
    """Record a file that came to rest and say what was decided about it; `disposed` is that of `decide`.

    The decision and the row are one transaction, so two equal files can never both be bought.
    """
    existing = item_at(connection, arrival.rule, arrival.path)
    same_content = existing is not None and existing.content == arrival.content
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


def _arrival_values(arrival: Arrival, decision: Decision, now: float) -> dict[str, object]:
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
        "failure_code": "",
        "failure": "",
        "ready_at": now,
        "ended_at": None,
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


def move(
    connection: Connection,
    number: int,
    before: ItemState,
    after: ItemState,
    *,
    code: str = "",
    reason: str = "",
    now: float | None = None,
) -> bool:
    """Move an item along the table of transitions; False when it is no longer in `before`."""
    check_item(before, after)
    ended = now if after in {ItemState.DONE, ItemState.FAILED, ItemState.UNKNOWN} else None
    return (
        connection.run(
            "move_item",
            id=number,
            before=before,
            after=after,
            failure_code=code,
            failure=reason,
            ended_at=ended,
        )
        == 1
    )


def promote_follower(connection: Connection, number: int) -> None:
    """An item will have no result: its first follower becomes ready, the others follow that one."""
    followers = [row["id"] for row in connection.all("followers", id=number)]
    if not followers:
        return
    first, *others = followers
    move(connection, first, ItemState.FOLLOWING, ItemState.READY)
    connection.run("follow", id=first, source_item=None)
    for other in others:
        connection.run("follow", id=other, source_item=first)


def release_followers(connection: Connection, number: int) -> int:
    """An item is done: whoever followed it may take its result. Gives how many."""
    followers = connection.all("followers", id=number)
    for row in followers:
        move(connection, row["id"], ItemState.FOLLOWING, ItemState.DELIVERING)
    return len(followers)


def fail_followers(connection: Connection, number: int, code: str, reason: str, now: float) -> None:
    """The same content under the same recipe fails the same way: whoever followed fails with it."""
    for row in connection.all("followers", id=number):
        move(connection, row["id"], ItemState.FOLLOWING, ItemState.FAILED, code=code, reason=reason, now=now)


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


def in_flight(connection: Connection) -> int:
    """How many items will change without anyone's help."""
    row = connection.one("count_in_flight")
    return int(row["count"]) if row else 0
