"""Items that wait for another of the same content and recipe: they take its result, its failure, or its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.store.history import record
from runflowd.store.items import move

if TYPE_CHECKING:
    from runflowd.store.connection import Connection


def promote_duplicate(connection: Connection, number: int, now: float) -> None:
    """An item will have no result: its last duplicate becomes ready, the others become duplicates of that one.

    The last, since equal files go and change one after the other, mostly in their order: one whose own turn is next
    would soon hand all the others on again. Where another one is on its way already, they all wait for that.
    """
    duplicates = [row["id"] for row in connection.all("duplicates_of", id=number)]
    if not duplicates:
        return
    other = connection.one("another_on_its_way", id=duplicates[-1], besides=number)
    original = other["id"] if other else duplicates.pop()
    if other is None:
        why = f"item {number}, whose result it was to take, will have none"
        move(connection, original, ItemState.DUPLICATE, ItemState.READY, by=None, now=now, detail=why)
        connection.run("set_original", id=original, duplicate_of=None)
    for duplicate in duplicates:
        connection.run("set_original", id=duplicate, duplicate_of=original)
        record(connection, duplicate, now, f"waits for item {original} now")


def release_duplicates(connection: Connection, number: int, now: float) -> int:
    """An item is done: its duplicates may take its result. Gives how many."""
    duplicates = connection.all("duplicates_of", id=number)
    for row in duplicates:
        detail = f"takes the result of item {number}"
        move(connection, row["id"], ItemState.DUPLICATE, ItemState.DOWNLOADING, by=None, now=now, detail=detail)
    return len(duplicates)


def fail_duplicates(connection: Connection, number: int, code: str, reason: str, now: float) -> None:
    """The same content under the same recipe fails the same way: its duplicates fail with it."""
    for row in connection.all("duplicates_of", id=number):
        move(connection, row["id"], ItemState.DUPLICATE, ItemState.FAILED, by=None, code=code, reason=reason, now=now)
