"""Who works on a store: sessions that are seen, what dies with one, and what is asked before anybody acts."""

from __future__ import annotations

import sqlite3
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runflowd.core.holdings import Holdings, from_text
from runflowd.store.claims import Claim, Claimable, LeaseLost
from runflowd.store.duties import duties, give_up_duty, take_duty
from runflowd.store.gone_hosts import forget_gone
from runflowd.store.hosts import (
    HostUnseen,
    Seen,
    Session,
    drain,
    enter,
    hold_to_act,
    hosts,
    leave,
    living,
    see,
    undo_drain,
)
from runflowd.system.processes import lasting_mark, process_mark

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


def test_what_the_dead_had_is_free_once_another_one_looks(connection: Connection) -> None:
    """And who comes back from the dead lives again, without it."""
    enter(connection, ONE, NOW)
    enter(connection, TWO, NOW)
    taken = take_duty(connection, "notify", "one"), take_duty(connection, "notify", "two")
    silent_for(connection, ONE, 16.0)
    seen = see(connection, TWO, "{}", 0.0, NOW)
    free = duties(connection)["notify"].owner
    back = see(connection, ONE, "{}", 0.0, NOW)

    assert ((True, False), Seen(alive=True, freed=True), None) == (taken, seen, free)
    assert (Seen(alive=False, freed=False), {"one", "two"}) == (back, living(connection, NOW))


def is_missed(connection: Connection) -> list[tuple[str, bool]]:
    """Every host on record, and whether it lives."""
    return [(host.name, host.alive) for host in hosts(connection, NOW)]


def test_a_host_that_died_is_on_record_with_what_it_had(connection: Connection) -> None:
    """Until it is back, under whatever session: a machine has another one with each start."""
    enter(connection, ONE, NOW)
    enter(connection, TWO, NOW)
    take_duty(connection, "notify", "one")
    silent_for(connection, ONE, 16.0)
    see(connection, TWO, "{}", 0.0, NOW)
    (gone,) = [host for host in hosts(connection, NOW) if host.held]
    again = see(connection, TWO, "{}", 0.0, NOW)
    missed = is_missed(connection)
    enter(connection, replace(ONE, id="one again"), NOW)

    assert ("atelier", Holdings(("notify",), 0, 0)) == (gone.name, from_text(gone.held))
    assert (Seen(alive=True, freed=False), [("atelier", False), ("attic", True)]) == (again, missed)
    assert [("atelier", True), ("attic", True)] == is_missed(connection)


def test_a_host_that_wakes_up_is_not_missed_any_more(connection: Connection) -> None:
    """It has the session that it had."""
    enter(connection, ONE, NOW)
    enter(connection, TWO, NOW)
    silent_for(connection, ONE, 16.0)
    see(connection, TWO, "{}", 0.0, NOW)
    see(connection, ONE, "{}", 0.0, NOW)

    assert [("atelier", True), ("attic", True)] == is_missed(connection)


@pytest.mark.parametrize("when", ["drained before", "drained after", "removed"])
def test_a_host_that_was_let_go_is_not_missed(connection: Connection, when: str) -> None:
    """Somebody meant it."""
    enter(connection, ONE, NOW)
    enter(connection, TWO, NOW)
    if when == "drained before":
        drain(connection, "atelier")
    silent_for(connection, ONE, 16.0)
    see(connection, TWO, "{}", 0.0, NOW)
    if when == "drained after":
        drain(connection, "atelier")
    if when == "removed":
        forget_gone(connection, "atelier")

    assert [("attic", True)] == is_missed(connection)


@pytest.mark.parametrize(("name", "freed"), [("atelier", True), ("attic", False)])
def test_the_next_start_of_a_host_that_is_gone_for_certain_has_its_work_at_once(
    connection: Connection, name: str, freed: bool
) -> None:
    """Where its process is known to be no more; another host waits for the lease to end (scenario 161)."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        place = lasting_mark().partition(" ")[0]
        former = replace(ONE, process=f"{place} {process_mark(child.pid)}")
        enter(connection, former, NOW)
        take_duty(connection, "notify", "one")
        enter(connection, Session("early", name, alone=False), NOW)
        early = duties(connection)["notify"].owner
    enter(connection, Session("next", name, alone=False), NOW)

    assert ("one", None if freed else "one") == (early, duties(connection)["notify"].owner)


def test_who_comes_back_before_anybody_noticed_has_what_it_had(connection: Connection) -> None:
    """Nobody has touched it meanwhile."""
    enter(connection, ONE, NOW)
    take_duty(connection, "notify", "one")
    silent_for(connection, ONE, 16.0)
    see(connection, ONE, "{}", 0.0, NOW)

    assert "one" == duties(connection)["notify"].owner


def test_a_duty_that_changed_hands_is_nobody_else_s_to_write_about(connection: Connection) -> None:
    """Each time it is taken it has another generation."""
    enter(connection, ONE, NOW)
    take_duty(connection, "intake:studio", "one", "text")
    before = duties(connection)["intake:studio"].claim
    give_up_duty(connection, "intake:studio", "one")
    take_duty(connection, "intake:studio", "one", "text")
    hold_to_act(connection, duties(connection)["intake:studio"].claim, "one", NOW)

    with pytest.raises(LeaseLost):
        hold_to_act(connection, before, "one", NOW)


def test_nobody_acts_near_the_end_of_its_lease(connection: Connection) -> None:
    """Ten seconds after it was last seen a host stops, five before another one may take over."""
    enter(connection, ONE, NOW)
    take_duty(connection, "notify", "one")
    claim = duties(connection)["notify"].claim
    silent_for(connection, ONE, 9.0)
    hold_to_act(connection, claim, "one", NOW)
    silent_for(connection, ONE, 10.5)

    with pytest.raises(HostUnseen):
        hold_to_act(connection, claim, "one", NOW)


def test_a_start_touches_nothing_of_those_who_live(connection: Connection) -> None:
    """Of one that works alone the lock says that it is gone, when another one got in."""
    enter(connection, Session("alone", "cellar"), NOW)
    take_duty(connection, "notify", "alone")
    enter(connection, ONE, NOW)
    take_duty(connection, "intake:studio", "one")
    enter(connection, TWO, NOW)
    owners = {name: duty.owner for name, duty in duties(connection).items()}
    enter(connection, Session("next", "cellar"), NOW)

    assert {"notify": None, "intake:studio": "one"} == owners
    assert {"next"} == living(connection, NOW)


def test_who_leaves_leaves_nothing_behind(connection: Connection) -> None:
    """Its work is free at once."""
    enter(connection, ONE, NOW)
    take_duty(connection, "notify", "one")
    leave(connection, ONE, NOW)

    assert ([], None) == (hosts(connection, NOW), duties(connection)["notify"].owner)


def test_a_drained_host_is_known_by_its_name(connection: Connection) -> None:
    """So that a restart of it does not end that."""
    enter(connection, ONE, NOW)
    enter(connection, TWO, NOW)
    news = drain(connection, "attic"), drain(connection, "attic")
    drained = {host.name: host.drained for host in hosts(connection, NOW)}
    undone = undo_drain(connection, "attic"), undo_drain(connection, "attic")

    assert ((True, False), {"atelier": False, "attic": True}) == (news, drained)
    assert ((True, False), [False, False]) == (undone, [host.drained for host in hosts(connection, NOW)])


def test_the_service_s_word_to_wait_is_on_record(connection: Connection) -> None:
    """For as many seconds as it said, for every host."""
    enter(connection, ONE, NOW)
    see(connection, ONE, '{"studio": {}}', 7.0, NOW)
    (host,) = hosts(connection, NOW)

    assert (7, 15, '{"studio": {}}') == (round(host.throttled), round(host.left), host.facts)


def test_a_claim_of_nobody_holds_nothing(connection: Connection) -> None:
    """A row that was only read gives no right."""
    enter(connection, ONE, NOW)

    with pytest.raises(LeaseLost):
        hold_to_act(connection, Claim(Claimable.DUTY, "notify", None, 0), "one", NOW)
