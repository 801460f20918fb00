"""Items that wait for another of the same content and recipe: they take its result, its failure, or its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.store.history import record
from runflowd.store.items import move

if TYPE_CHECKING:
    from runflowd.store.connection import Connection


def promote_follower(connection: Connection, number: int, now: float) -> None:
    """An item will have no result: its last follower becomes ready, the others follow that one.

    The last, since equal files go and change one after the other, mostly in their order: one whose own turn is next
    would soon hand all the others on again. Where another one is on its way already, they all follow that.
    """
    followers = [row["id"] for row in connection.all("followers", id=number)]
    if not followers:
        return
    other = connection.one("another_on_its_way", id=followers[-1], besides=number)
    leader = other["id"] if other else followers.pop()
    if other is None:
        why = f"item {number}, whose result it was to take, will have none"
        move(connection, leader, ItemState.DUPLICATE, ItemState.READY, by=None, now=now, detail=why)
        connection.run("follow", id=leader, source_item=None)
    for follower in followers:
        connection.run("follow", id=follower, source_item=leader)
        record(connection, follower, now, f"follows item {leader} now")


def release_followers(connection: Connection, number: int, now: float) -> int:
    """An item is done: whoever followed it may take its result. Gives how many."""
    followers = connection.all("followers", id=number)
    for row in followers:
        detail = f"takes the result of item {number}"
        move(connection, row["id"], ItemState.DUPLICATE, ItemState.DOWNLOADING, by=None, now=now, detail=detail)
    return len(followers)


def fail_followers(connection: Connection, number: int, code: str, reason: str, now: float) -> None:
    """The same content under the same recipe fails the same way: whoever followed fails with it."""
    for row in connection.all("followers", id=number):
        move(connection, row["id"], ItemState.DUPLICATE, ItemState.FAILED, by=None, code=code, reason=reason, now=now)
