"""Moves of items along the table of transitions, each with a step of their story, as the lifecycle allows."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import IN_HANDS, ItemState, check_item
from runflowd.store.claims import Claim, Claimable, hold
from runflowd.store.history import record_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from runflowd.store.connection import Connection

NOTHING_ELSE: Mapping[int, Mapping[str, Any]] = MappingProxyType({})


def move(
    connection: Connection,
    number: int,
    before: ItemState,
    after: ItemState,
    *,
    by: Claim | None,
    now: float,
    code: str = "",
    reason: str = "",
    detail: str = "",
) -> bool:
    """Move an item along the table of transitions; False when it is no longer in `before`.

    `by` is the claim of its batch or its own, None for an item that is in no stage's hands; raises `LeaseLost`.
    `code` and `reason` say why it failed or waits; `detail` is for its story where there is no such reason.
    A duplicate of an item shares its doubt, and leaves it with it.
    """
    claims = () if by is None else (by,)
    return number in move_all(connection, {number: detail}, before, after, by=claims, now=now, code=code, reason=reason)


def move_all(
    connection: Connection,
    details: Mapping[int, str],
    before: ItemState,
    after: ItemState,
    *,
    by: Sequence[Claim],
    now: float,
    code: str = "",
    reason: str = "",
    statement: str = "move_item",
    own: Mapping[int, Mapping[str, Any]] = NOTHING_ELSE,
) -> list[int]:
    """The same for several items at once, each with its detail; give those that were moved.

    `by` is the claim of the batch that all of them are in, one claim for each of them, or none. Another `statement`
    writes something else along with the move: the row of an item is the dearest thing there is to write. `own` are the
    values for that.
    """
    check_item(before, after)
    batch = by[0].id if by and by[0].table is Claimable.BATCH else None
    assert by or before not in IN_HANDS, f"only who holds a {before} item moves it"
    assert not by or batch or {claim.id for claim in by} == details.keys(), "a claim is for one item"
    hold(connection, *by)
    if not details:
        return []
    ended = now if after in {ItemState.DONE, ItemState.FAILED, ItemState.OUTCOME_UNKNOWN} else None
    values: dict[str, Any] = {"batch": batch, "before": before, "after": after}
    values |= {"failure_code": code, "failure": reason, "ended_at": ended, "now": now}
    counts = connection.run_each(statement, [{"id": number, **values, **own.get(number, {})} for number in details])
    moved = [number for number, count in zip(details, counts, strict=True) if count]
    record_all(connection, {number: details[number] or reason for number in moved}, now, code)
    if after is ItemState.OUTCOME_UNKNOWN:
        end_duplicates(connection, moved, after, code, reason, now)
    if before is ItemState.OUTCOME_UNKNOWN and after is not ItemState.FAILED:
        _end_doubt_of_duplicates(connection, moved, now)
    return moved


def end_duplicates(
    connection: Connection, originals: Sequence[int], after: ItemState, code: str, reason: str, now: float
) -> None:
    """The same content under the same recipe ends the same way: the duplicates of these items end as they do."""
    found = dict.fromkeys(duplicates_of(connection, originals), "")
    move_all(connection, found, ItemState.DUPLICATE, after, by=(), code=code, reason=reason, now=now)


def _end_doubt_of_duplicates(connection: Connection, originals: Iterable[int], now: float) -> None:
    before, after = ItemState.OUTCOME_UNKNOWN, ItemState.DUPLICATE
    for original in originals:
        found = {row["id"]: f"with item {original}" for row in connection.all("duplicates_in_doubt", id=original)}
        move_all(connection, found, before, after, by=(), now=now)


def duplicates_of(connection: Connection, originals: Sequence[int]) -> dict[int, int]:
    """The items that are to take the results of these, in their order, each with the one whose result it is."""
    rows = connection.all("duplicates_of", ids=json.dumps(originals)) if originals else ()
    return {row["id"]: row["duplicate_of"] for row in rows}
