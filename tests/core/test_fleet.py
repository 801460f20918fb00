"""Several hosts on one store: which of them takes what, leaves what, and does nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runflowd.core.fleet import (
    HEARTBEAT,
    LEASE,
    NOTIFY,
    STOP_AFTER,
    Held,
    HostView,
    RuleFacts,
    differing,
    duties,
    from_text,
    intake_of,
    left_waiting,
    nowhere,
    plan,
    to_text,
)

SEES = RuleFacts("text", watch=True, output=True)
BLIND = replace(SEES, watch=False)
STUDIO = intake_of("studio")


def host(name: str, facts: RuleFacts = SEES, *, drained: bool = False) -> HostView:
    """A host with one rule."""
    return HostView(name, name, drained, {"studio": facts})


def takes(us: HostView, *others: HostView, owner: str | None = None, text: str = "text") -> bool:
    """Whether a host takes the intake of the rule, or keeps it."""
    found = plan(us, others, {STUDIO: Held(owner, 1, text), NOTIFY: Held("somebody")})
    return STUDIO in found.take or (owner == us.session and STUDIO not in found.give_up)


def test_nobody_acts_when_its_lease_may_have_ended() -> None:
    """And one heartbeat may fail without any harm."""
    assert HEARTBEAT * 2 < STOP_AFTER < LEASE


@pytest.mark.parametrize(
    ("expected", "us", "others", "owner"),
    [
        (True, host("us"), (), None),
        (True, host("us"), (host("them"),), None),
        (False, host("us"), (host("them"),), "them"),
        (False, host("us", BLIND), (host("them"),), None),
        (False, host("us", BLIND), (host("them"),), "us"),
        (True, host("us", BLIND), (host("them", BLIND),), None),
        (True, host("us", BLIND), (host("them", drained=True),), "us"),
        (False, host("us", drained=True), (), None),
        (False, host("us", drained=True), (host("them"),), "us"),
    ],
    ids=[
        "alone",
        "free",
        "held by another",
        "another one sees the folder",
        "another one sees the folder by now",
        "nobody sees the folder",
        "who sees it is drained",
        "drained",
        "drained by now",
    ],
)
def test_the_intake_of_a_rule_is_one_host_s(
    *, expected: bool, us: HostView, others: tuple[HostView, ...], owner: str | None
) -> None:
    """Of those that see the folder, the one that had it first; of those that do not, any, so that one tells."""
    assert expected == takes(us, *others, owner=owner)


def test_the_text_that_was_in_force_goes_before() -> None:
    """After its host has died; with nobody else there another text is an edit."""
    other = replace(SEES, text="other")
    found = takes(host("us", other), host("them"), text="text"), takes(host("us", other), host("them", other))

    assert (False, True) == found
    assert takes(host("us", other), host("them", BLIND), text="text")


def test_a_host_with_another_text_than_the_one_in_force_sends_nothing_of_the_rule() -> None:
    """And names the host that has the other."""
    us, them = host("us", replace(SEES, text="other")), host("them")
    held = {STUDIO: Held("them", 3, "text")}
    found = duties(us, [them], held, 10.0)

    assert {"studio": them} == differing(us, [them], held)
    assert ({}, frozenset({"studio"}), frozenset()) == (found.intake, found.unsent, found.undelivered)


@pytest.mark.parametrize(
    ("facts", "unsent", "undelivered"),
    [
        (SEES, False, False),
        (BLIND, True, False),
        (replace(BLIND, disposes=True), True, True),
        (replace(SEES, output=False), False, True),
        (replace(SEES, disposes=True), False, False),
    ],
)
def test_who_sees_what_does_what(facts: RuleFacts, *, unsent: bool, undelivered: bool) -> None:
    """Sending reads the watched folder, placing writes where results go, and disposing of sources takes both."""
    found = duties(host("us", facts), [], {}, 10.0)

    assert (unsent, undelivered) == ("studio" in found.unsent, "studio" in found.undelivered)


def test_results_that_nobody_can_place_are_told_by_who_does_the_intake() -> None:
    """One host, and once."""
    nobody = replace(SEES, output=False)
    us, them = host("us", nobody), host("them", nobody)
    held = {STUDIO: Held("us")}

    assert (["studio"], []) == (nowhere(us, [them], held), nowhere(them, [us], held))
    assert [] == nowhere(us, [host("them")], held)


def test_a_host_that_was_not_seen_lately_takes_nothing_and_does_nothing() -> None:
    """A drained one finishes what it has."""
    us, gone = duties(host("us"), [], {}, 10.0), duties(host("us", drained=True), [], {}, 10.0)

    assert [(True, True), (False, False)] == [(us.may_act(at), us.may_claim(at)) for at in (9.0, 10.0)]
    assert (True, False) == (gone.may_act(9.0), gone.may_claim(9.0))


def test_messages_are_sent_by_one() -> None:
    """Whoever comes first; a drained one hands that over, too."""
    us = host("us")

    assert {NOTIFY, STUDIO} == plan(us, [], {}).take.keys()
    assert {STUDIO} == plan(us, [], {NOTIFY: Held("them")}).take.keys()
    assert frozenset({NOTIFY}) == plan(replace(us, drained=True), [], {NOTIFY: Held("us")}).give_up


def test_the_intake_of_a_rule_that_was_removed_is_given_up() -> None:
    """Another host may have it still."""
    gone = plan(host("us"), [], {intake_of("removed"): Held("us"), NOTIFY: Held("us"), STUDIO: Held("us")})

    assert ({}, frozenset({intake_of("removed")})) == (gone.take, gone.give_up)


def test_what_a_host_says_is_read_by_the_others() -> None:
    """Also by an older version, which knows less."""
    text = to_text({"studio": SEES})

    assert {"studio": SEES} == from_text(text)
    assert {"studio": SEES} == from_text(text.replace('"watch"', '"later": 1, "watch"'))


@pytest.mark.parametrize(
    ("expected", "other"),
    [
        ([], host("attic")),
        (["studio"], host("attic", BLIND)),
        (["studio"], host("attic", replace(SEES, output=False))),
        (["studio"], host("attic", drained=True)),
        (["studio"], HostView("attic", "attic")),
    ],
    ids=["it has the folders", "not the watched one", "not the results'", "drained as well", "it has no such rule"],
)
def test_draining_tells_of_the_rules_that_nobody_else_can_do(expected: list[str], other: HostView) -> None:
    """Their files wait until the host takes work on again."""
    assert expected == left_waiting("atelier", [host("atelier", drained=True), other])
