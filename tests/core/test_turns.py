"""What intake begins in a turn is decided by where its rules stand, and by nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.turns import Events, Lost, RescanKind, RuleTurn, Work, next_rescan, plan_turn

NOW = 1000.0

NEW = RuleTurn("/in")
CALM = replace(NEW, rescan_due=NOW + 300, rescanned=True, admitted=True, events=Events.COMING)

turns = st.builds(
    RuleTurn,
    folder=st.sampled_from(["/a", "/b", "/c"]),
    rescan_due=st.sampled_from([0.0, NOW - 1, NOW, NOW + 1, NOW + 300]),
    rescan=st.sampled_from(RescanKind),
    rescanned=st.booleans(),
    admitted=st.booleans(),
    events=st.sampled_from(Events),
    lost=st.sampled_from(Lost),
    work=st.sampled_from(Work),
)
rules = st.dictionaries(st.sampled_from("abcdef"), turns)


@pytest.mark.parametrize(
    ("state", "rescans", "works"),
    [
        pytest.param(NEW, True, True, id="a new rule is rescanned at once"),
        pytest.param(CALM, False, True, id="a rule that is not due looks for stable files"),
        pytest.param(replace(CALM, rescan_due=NOW), True, True, id="due now"),
        pytest.param(replace(NEW, rescan=RescanKind.PLAIN), False, True, id="a rescan under way is not begun again"),
        pytest.param(replace(CALM, work=Work.BACKLOG), False, True, id="another page"),
        pytest.param(replace(CALM, work=Work.BUSY), False, False, id="at work"),
        pytest.param(replace(CALM, work=Work.OVERDUE), False, False, id="a slow folder is given nothing more"),
        pytest.param(replace(NEW, work=Work.OVERDUE), True, False, id="a rescan does not wait for slow work"),
        pytest.param(CALM.after_loss(Lost.HINTS), True, True, id="lost hints"),
        pytest.param(CALM.after_loss(Lost.REARMED), True, True, id="a root watched anew"),
    ],
)
def test_where_a_rule_stands_decides_what_begins(state: RuleTurn, rescans: bool, works: bool) -> None:
    """The table of a turn."""
    plan = plan_turn({"rule": state}, NOW)

    assert (rescans, works) == ("/in" in plan.rescans, bool(plan.work))


def test_rules_over_one_folder_rescan_together_and_work_one_after_the_other() -> None:
    """What the first has read, the others need not read."""
    plan = plan_turn({"due": NEW, "calm": CALM, "other": replace(CALM, folder="/other")}, NOW)

    assert {"/in": ("due", "calm"), "/other": ("other",)} == plan.work
    assert (True, False) == tuple(
        each.begun(plan, heard=True).rescanning for each in (CALM, replace(CALM, folder="/other"))
    )


def test_the_hints_of_a_rule_that_is_not_admitted_are_dropped() -> None:
    """What lay there first is decided upon as a whole."""
    assert {"new"} == plan_turn({"new": NEW, "calm": CALM}, NOW).unheard


@pytest.mark.parametrize(
    ("state", "heard", "expected"),
    [
        pytest.param(CALM, True, True, id="all is well"),
        pytest.param(CALM, False, False, id="the watcher is in trouble"),
        pytest.param(replace(CALM, rescanned=False), True, False, id="the first rescan finds what was there"),
        pytest.param(replace(CALM, lost=Lost.REARMED), True, False, id="watched anew since"),
        pytest.param(replace(CALM, lost=Lost.HINTS), True, False, id="hints were lost since"),
        pytest.param(replace(CALM, lost=Lost.FILES), True, False, id="more files than were tracked"),
        pytest.param(replace(CALM, events=Events.ABSENT), True, False, id="a share"),
        pytest.param(replace(CALM, events=Events.UNASKED), True, False, id="a folder that has not answered"),
    ],
)
def test_events_are_expected_only_where_nothing_kept_them(state: RuleTurn, heard: bool, expected: bool) -> None:
    """Else a rescan that finds a file would blame the watcher for what it could not know."""
    due = replace(state, rescan_due=NOW)

    begun = due.begun(plan_turn({"rule": due}, NOW), heard=heard)

    assert expected == (begun.rescan is RescanKind.AUDIT)


@pytest.mark.parametrize(
    ("state", "settled", "took", "pause"),
    [
        pytest.param(CALM, True, 0.0, 300.0, id="all is well"),
        pytest.param(CALM, False, 0.0, 5.0, id="a folder in doubt"),
        pytest.param(replace(CALM, lost=Lost.FILES), True, 0.0, 5.0, id="more files than may be tracked"),
        pytest.param(replace(CALM, lost=Lost.HINTS), True, 0.0, 5.0, id="hints lost meanwhile"),
        pytest.param(replace(CALM, lost=Lost.REARMED), True, 0.0, 300.0, id="armed meanwhile, which is no loss yet"),
        pytest.param(replace(CALM, admitted=False), True, 0.0, 5.0, id="not decided yet"),
        pytest.param(CALM, False, 60.0, 600.0, id="a slow folder rests, whatever is in doubt"),
    ],
)
def test_the_pause_after_a_rescan(state: RuleTurn, settled: bool, took: float, pause: float) -> None:
    """Soon where something is open; at most a tenth of the time is spent reading."""
    ended = state.rescan_ended(NOW - took, NOW, 300.0, settled=settled, whole=True)

    assert (NOW + pause, False) == (ended.rescan_due, ended.rescanning)


def test_a_rescan_that_was_broken_off_is_none() -> None:
    """`sync` would take the rest for scanned."""
    state = replace(NEW, rescan=RescanKind.PLAIN, admitted=True)

    assert not state.rescan_ended(NOW, NOW, 300.0, settled=True, whole=False).idle


def test_a_root_armed_before_the_first_rescan_asks_for_no_second_one() -> None:
    """The first rescan is still to come, and finds all."""
    state = replace(NEW, rescan=RescanKind.PLAIN).after_loss(Lost.REARMED)

    assert state.rescan_ended(NOW, NOW, 300.0, settled=True, whole=True).lost is Lost.REARMED


@given(rules, st.booleans())
def test_nothing_is_begun_twice(states: dict[str, RuleTurn], heard: bool) -> None:
    """A plan that was begun leaves nothing to begin at the same moment."""
    plan = plan_turn(states, NOW)
    begun = {name: state.begun(plan, heard=heard) for name, state in states.items()}

    again = plan_turn(begun, NOW)

    assert (frozenset[str](), {}) == (again.rescans, again.work)


@given(rules)
def test_every_rule_is_either_at_work_or_put_to_work_once(states: dict[str, RuleTurn]) -> None:
    """None is forgotten, be there ever so many over one folder."""
    planned = [name for names in plan_turn(states, NOW).work.values() for name in names]

    assert sorted(planned) == sorted(name for name, state in states.items() if not state.working)


@given(rules)
def test_every_rescan_that_is_due_begins(states: dict[str, RuleTurn]) -> None:
    """Else a lost hint would cost more than time."""
    plan = plan_turn(states, NOW)
    begun = {name: state.begun(plan, heard=True) for name, state in states.items()}

    assert all(begun[name].rescanning for name, state in states.items() if state.rescan_due <= NOW)
    assert (next_rescan(begun) or NOW + 1) > NOW


@given(turns, st.sampled_from(Lost))
def test_a_loss_is_never_unlearnt_by_a_lesser_one(state: RuleTurn, lost: Lost) -> None:
    """Only the beginning of a rescan makes up for it."""
    assert state.after_loss(lost).lost >= max(state.lost, lost)


@given(turns)
def test_who_is_at_work_when_the_turn_ends_is_not_waited_for(state: RuleTurn) -> None:
    """And whoever is done keeps what it said."""
    expected = Work.OVERDUE if state.working else state.work

    assert expected is state.left_behind().work
