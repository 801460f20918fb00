"""Who works on a store: sessions that are seen, what dies with one, and what is asked before anybody acts."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from runflowd.store.hosts import HostUnseen, Session, enter, living, require_seen

if TYPE_CHECKING:
    from runflowd.store import Connection

NOW = 1_800_000_000.0
ONE, TWO = Session("one", "atelier", alone=False), Session("two", "attic", alone=False)


def silent_for(connection: Connection, session: Session, seconds: float) -> None:
    """Let a session have been seen last so long ago, by the clock of the store."""
    clock = NOW if isinstance(connection.raw, sqlite3.Connection) else None
    mark = "?" if clock is not None else "extract(epoch FROM clock_timestamp()) + 0.0 * %s"
    until = connection.raw.execute(f"SELECT {mark}", [clock or 0.0]).fetchone()[0]
    connection.raw.execute(
        f"UPDATE host SET seen_until = {float(until) + 15.0 - seconds} WHERE session = '{session.id}'"
    )


def test_who_was_seen_within_the_lease_lives(connection: Connection) -> None:
    """By the clock of the store; how long anything takes says nothing."""
    enter(connection, ONE, NOW)
    enter(connection, TWO, NOW)
    silent_for(connection, ONE, 14.0)
    both = living(connection, NOW)
    silent_for(connection, ONE, 16.0)

    assert ({"one", "two"}, {"two"}) == (both, living(connection, NOW))


def test_nobody_acts_near_the_end_of_its_lease(connection: Connection) -> None:
    """Ten seconds after it was last seen a host stops, five before another one may take over."""
    enter(connection, ONE, NOW)
    silent_for(connection, ONE, 9.0)
    require_seen(connection, "one", NOW)
    silent_for(connection, ONE, 10.5)

    with pytest.raises(HostUnseen):
        require_seen(connection, "one", NOW)


def test_a_start_touches_nothing_of_those_who_live(connection: Connection) -> None:
    """Of one that works alone the lock says that it is gone, when another one got in."""
    enter(connection, Session("alone", "cellar"), NOW)
    enter(connection, ONE, NOW)
    enter(connection, TWO, NOW)
    alive = living(connection, NOW)
    enter(connection, Session("next", "cellar"), NOW)

    assert ({"one", "two"}, {"next"}) == (alive, living(connection, NOW))
