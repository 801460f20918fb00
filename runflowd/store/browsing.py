"""Files as people look through them, the latest first, in pages: a page costs what it holds, not what there is.

The order is that in which files came; of one day, that in which they ended. A page ends with an item, and the next one
begins behind it, so that what comes meanwhile moves nothing.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from heapq import merge
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from runflowd.core.lifecycle import ItemState
from runflowd.core.name_search import name_pattern
from runflowd.store.items import Item, item_from
from runflowd.store.listing import SPAN, rules_with_items

if TYPE_CHECKING:
    from runflowd.store.connection import Connection, Row

_NEWEST = 1 << 62


@dataclass(frozen=True, slots=True)
class Sought:
    """Which items are meant; "", () and None leave a question open.

    They are the current ones, and those that another content took the place of as long as they are in flight, or wait
    for a verdict that is asked for. `folder` is one below the watched one, with all that is in it. `name` is a part of
    a file's name, without regard to the case of letters. `ended` is a span of epoch seconds, its end excluded. Of the
    `batch` with an id all items are meant, whenever they ended.
    """

    rule: str = ""
    states: tuple[ItemState, ...] = ()
    folder: str = ""
    name: str = ""
    ended: tuple[float, float] | None = None
    batch: str = ""
    to_review: bool = False
    """Only done ones whose result waits for a verdict; whatever the states."""
    settled: bool = False
    """None whose result waits for a verdict."""

    @property
    def values(self) -> dict[str, Any]:
        """What all statements are given of it."""
        folder = os.fsencode(self.folder)
        # A slash is followed by 0: between a folder with the one and with the other lies all that is below it.
        return {
            "folder": folder,
            "first": folder + b"/",
            "end": folder + b"0",
            "name": name_pattern(self.name),
            "settled": int(self.settled),
        }

    @property
    def values_with_states(self) -> dict[str, Any]:
        """The same for the statements that have no index over rules and states."""
        states = json.dumps(self.states or tuple(ItemState))
        return {**self.values, "rule": self.rule or None, "states": states}

    @property
    def values_of_day(self) -> dict[str, Any]:
        """The same for those that go by the time of the end."""
        assert self.ended is not None
        return {**self.values_with_states, "since": self.ended[0], "until": self.ended[1]}


class Sheet(NamedTuple):
    """Some items, and the id behind which the next page begins; None at the end. It may have fewer than asked for."""

    items: list[Item]
    next: int | None


def older(connection: Connection, sought: Sought, before: int | None, limit: int) -> Sheet:
    """The latest `limit` items that came before the one with the id `before`; None begins with the newest."""
    if sought.to_review:
        rows, further = _to_review(connection, sought, "older_to_review", before or _NEWEST, limit + 1), None
        rows = rows[: limit + 1]
    elif sought.batch:
        rows, further = _of_batch(connection, sought, "older_of_batch", before or _NEWEST, limit + 1), None
    elif sought.ended is not None:
        rows, further = _older_of_day(connection, sought, before, limit + 1), None
    else:
        rows, further = _older(connection, sought, before or _NEWEST, limit + 1)
    items = [item_from(row) for row in rows[:limit]]
    return Sheet(items, items[-1].id if len(rows) > limit else further)


def newer(connection: Connection, sought: Sought, item: Item) -> Item | None:
    """The next item that came after this one; one that is more than `SPAN` ids away is not looked for."""
    if sought.to_review:
        rows = _to_review(connection, sought, "newer_to_review", item.id, 1)
        return item_from(rows[-1]) if rows else None
    if sought.batch:
        rows = _of_batch(connection, sought, "newer_of_batch", item.id, 1)
        return item_from(rows[0]) if rows else None
    if sought.ended is not None:
        if item.ended_at is None:
            return None
        begins = max(sought.ended[0], item.ended_at)
        values = {**sought.values_of_day, "since": begins, "ended": item.ended_at, "after": item.id}
        row = connection.one("newer_of_day", **values)
        return item_from(row) if row else None
    span = {**sought.values, "after": item.id, "until": item.id + SPAN}
    if sought.rule or sought.states:
        found = [
            connection.one("newer_of_state", rule=rule, state=state, **span)
            for rule, state in _kinds(connection, sought)
        ]
        rows = sorted((row for row in found if row is not None), key=lambda row: row["id"])
        return item_from(rows[0]) if rows else None
    row = connection.one("newer_items", **span)
    return item_from(row) if row else None


def _to_review(connection: Connection, sought: Sought, statement: str, beside: int, limit: int) -> list[Row]:
    """Rows that wait for a verdict on one side of an item, by id, the highest first."""
    since, until = sought.ended or (0.0, math.inf)
    values = {**sought.values, "since": since, "until": until, "beside": beside, "limit": limit}
    rules = [sought.rule] if sought.rule else rules_with_items(connection)
    parts = [connection.all(statement, rule=rule, **values) for rule in rules]
    return sorted((row for part in parts for row in part), key=lambda row: -row["id"])


def _of_batch(connection: Connection, sought: Sought, statement: str, beside: int, limit: int) -> list[Row]:
    batch = connection.one("batch", id=sought.batch)
    if batch is None:
        return []
    values = {"number": batch["number"], "beside": beside, "limit": limit}
    return connection.all(statement, **sought.values_with_states, **values)


def _kinds(connection: Connection, sought: Sought) -> product[tuple[str, ItemState]]:
    """Each rule with each state that is meant: of these there is an index."""
    rules = [sought.rule] if sought.rule else rules_with_items(connection)
    return product(rules, sought.states or tuple(ItemState))


def _older(connection: Connection, sought: Sought, before: int, limit: int) -> tuple[list[Row], int | None]:
    """Rows by id, the highest first; and down to which id was looked where they are few, None for all there are."""
    newest = connection.one("newest_item")
    before = min(before, newest["id"] + 1 if newest else 1)
    low = max(0, before - SPAN)
    span = {**sought.values, "before": before, "from": low, "limit": limit}
    if sought.rule or sought.states:
        parts = [
            connection.all("older_of_state", rule=rule, state=state, **span)
            for rule, state in _kinds(connection, sought)
        ]
        rows = list(merge(*parts, key=lambda row: -row["id"]))[:limit]
    else:
        rows = connection.all("older_items", **span)
    return rows, low if len(rows) < limit and low > 1 else None


def _older_of_day(connection: Connection, sought: Sought, before: int | None, limit: int) -> list[Row]:
    values = sought.values_of_day
    ended, before = values["until"], before or _NEWEST
    row = connection.one("item_by_id", id=before)
    if row is not None and row["ended_at"] is not None:
        ended = row["ended_at"]
        values["until"] = min(values["until"], math.nextafter(ended, math.inf))
    return connection.all("older_of_day", **values, ended=ended, before=before, limit=limit)
