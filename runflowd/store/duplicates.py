"""Contents that are there already: duplicates take the result, the failure or the place of their original, and what a
rule made itself is never bought as something new.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.store.history import record
from runflowd.store.items import item_at
from runflowd.store.moves import duplicates_of, move, move_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runflowd.store.arrivals import Arrival
    from runflowd.store.connection import Connection


OWN_RESULT = "OWN_RESULT"
"""The failure code of a skipped file whose content is a result."""


def promote_duplicate(connection: Connection, number: int, now: float) -> None:
    """An item will have no result: its last duplicate becomes ready, the others become duplicates of that one.

    The last, since equal files go and change one after the other, mostly in their order: one whose own turn is next
    would soon hand all the others on again. Where another one is on its way already, they all wait for that.
    """
    duplicates = list(duplicates_of(connection, [number]))
    if not duplicates:
        return
    other = connection.one("another_on_its_way", id=duplicates[-1], besides=number)
    original = other["id"] if other else duplicates.pop()
    if other is None:
        why = f"item {number}, whose result it was to take, will have none"
        move(connection, original, ItemState.DUPLICATE, ItemState.READY, by=None, now=now, detail=why)
        connection.run("set_original", id=original, duplicate_of=None)
        connection.run("share_approval", id=original, other=number)
    for duplicate in duplicates:
        connection.run("set_original", id=duplicate, duplicate_of=original)
        record(connection, duplicate, now, f"waits for item {original} now")


def release_duplicates(connection: Connection, numbers: Sequence[int], now: float) -> int:
    """Items are done: their duplicates may take their results. Gives how many."""
    originals = duplicates_of(connection, numbers)
    details = {duplicate: f"takes the result of item {original}" for duplicate, original in originals.items()}
    move_all(connection, details, ItemState.DUPLICATE, ItemState.DOWNLOADING, by=(), now=now)
    return len(details)


def own_result(connection: Connection, arrival: Arrival, makers: Iterable[str]) -> str:
    """Why a stable file is not taken: its content is a result of one of `makers`; "" when it is none.

    A person who retried it knows.
    """
    values = {"rule": arrival.rule, "content_hash": arrival.content_hash, "makers": json.dumps(sorted(makers))}
    found = connection.one("own_result", **values)
    if found is None:
        return ""
    standing = item_at(connection, arrival.rule, arrival.path)
    if standing is not None and standing.failure_code == OWN_RESULT and standing.rescan_requested:
        return ""
    return (
        f"its content is a result of rule {found['rule']}, {os.fsdecode(found['path'])}; to have it taken as an input "
        "all the same: `runflowd retry PATH`"
    )
