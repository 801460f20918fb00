"""Which files no event told of."""

from __future__ import annotations

import pytest

from runflowd.core.missed_events import EVENT_TIMEOUT, MissedEventDetector


def suspects(*folders: str, settle: float = 2.0) -> MissedEventDetector:
    """What a sweep that ended at 0 found first."""
    made = MissedEventDetector(settle)
    for folder in folders:
        made.found(folder)
    made.swept(0.0)
    return made


@pytest.mark.parametrize(
    ("heard", "deep", "expected"),
    [("", False, 3), ("", True, 0), ("a", False, 3), ("a", True, 2), ("a/b", False, 3), ("other", True, 4)],
)
def test_an_event_for_its_folder_clears_a_file(heard: str, deep: bool, expected: int) -> None:
    """A late event is not a missed one; a tree that was moved in is told of as a whole."""
    made = suspects("", "a", "a/b", "ab")
    made.heard(heard, deep=deep)

    assert expected == made.judge(EVENT_TIMEOUT)


@pytest.mark.parametrize(("settle", "at"), [(2.0, EVENT_TIMEOUT), (60.0, 180.0)])
def test_judgement_waits_for_late_events(settle: float, at: float) -> None:
    """Half a minute or a few settle times, whichever is longer; each file is counted once."""
    made = suspects("a", "a", "b", settle=settle)

    assert [0, 3, 0] == [made.judge(at - 0.1), made.judge(at), made.judge(at + 1)]


def test_a_sweep_that_finds_nothing_new_asks_for_no_judgement() -> None:
    """An idle daemon is not woken for it."""
    assert suspects().due is None


def test_each_sweep_is_judged_at_its_own_time() -> None:
    """Sweeps may follow each other faster than judgement."""
    made = suspects("a")
    made.found("b")
    made.found("b")
    made.swept(10.0)

    assert (EVENT_TIMEOUT, 1, EVENT_TIMEOUT + 10, 2) == (
        made.due,
        made.judge(EVENT_TIMEOUT),
        made.due,
        made.judge(EVENT_TIMEOUT + 10),
    )


def test_nothing_is_missed_where_hints_were_thrown_away() -> None:
    """What the sweep under way found, and will find yet, events may have told of (scenario 138)."""
    made = suspects("a")
    made.found("b")
    made.excuse()
    made.found("c")
    made.swept(1.0)
    made.found("d")
    made.swept(2.0)

    assert 1 == made.judge(EVENT_TIMEOUT + 2)
