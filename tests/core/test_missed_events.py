"""Which files no event announced."""

from __future__ import annotations

import pytest

from runflowd.core.missed_events import EVENT_TIMEOUT, MissedEventDetector


def found_by_rescan(*folders: str, settle: float = 2.0) -> MissedEventDetector:
    """What a rescan that ended at 0 found first."""
    made = MissedEventDetector(settle)
    for folder in folders:
        made.found(folder)
    made.rescanned(0.0)
    return made


@pytest.mark.parametrize(
    ("event", "deep", "expected"),
    [("", False, 3), ("", True, 0), ("a", False, 3), ("a", True, 2), ("a/b", False, 3), ("other", True, 4)],
)
def test_an_event_for_its_folder_clears_a_file(event: str, deep: bool, expected: int) -> None:
    """A late event is not a missed one; a tree that was moved in is announced as a whole."""
    made = found_by_rescan("", "a", "a/b", "ab")
    made.clear(event, deep=deep)

    assert expected == made.expire(EVENT_TIMEOUT)


@pytest.mark.parametrize(("settle", "at"), [(2.0, EVENT_TIMEOUT), (60.0, 180.0)])
def test_a_file_expires_after_late_events_had_their_time(settle: float, at: float) -> None:
    """Half a minute or a few settle times, whichever is longer; each file is counted once."""
    made = found_by_rescan("a", "a", "b", settle=settle)

    assert [0, 3, 0] == [made.expire(at - 0.1), made.expire(at), made.expire(at + 1)]


def test_a_rescan_that_finds_nothing_new_has_no_deadline() -> None:
    """An idle daemon is not woken for it."""
    assert found_by_rescan().due is None


def test_each_rescan_expires_at_its_own_time() -> None:
    """Rescans may follow each other faster than the timeout."""
    made = found_by_rescan("a")
    made.found("b")
    made.found("b")
    made.rescanned(10.0)

    assert (EVENT_TIMEOUT, 1, EVENT_TIMEOUT + 10, 2) == (
        made.due,
        made.expire(EVENT_TIMEOUT),
        made.due,
        made.expire(EVENT_TIMEOUT + 10),
    )


def test_nothing_is_missed_where_hints_were_thrown_away() -> None:
    """What the rescan under way found, and will find yet, events may have told of (scenario 138)."""
    made = found_by_rescan("a")
    made.found("b")
    made.excuse()
    made.found("c")
    made.rescanned(1.0)
    made.found("d")
    made.rescanned(2.0)

    assert 1 == made.expire(EVENT_TIMEOUT + 2)
