"""A file is ready when it stands still, however its writer behaves."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from runflowd.core.model import Stat
from runflowd.core.stability import Gone, StabilityTracker, Stable, StillChanging

STAT = Stat(size=10, mtime_ns=1, inode=1)


def test_a_file_that_stands_still_settles() -> None:
    """Equal looks `settle` seconds apart make it stable."""
    tracker = StabilityTracker(settle=2, cap=60, limit=10)
    tracker.see("a.jpg", STAT, 0)

    due = tracker.due(2, 10)
    verdict = tracker.confirm("a.jpg", STAT, 2)

    assert (["a.jpg"], Stable("a.jpg", STAT, 2)) == (due, verdict)


@pytest.mark.parametrize(
    "changed", [STAT._replace(size=11), STAT._replace(mtime_ns=2), STAT._replace(mtime_ns=0), STAT._replace(inode=2)]
)
def test_any_difference_restarts_the_wait(changed: Stat) -> None:
    """Size, mtime in either direction, or inode (scenarios 1, 2 and 20)."""
    tracker = StabilityTracker(settle=2, cap=60, limit=10)
    tracker.see("a.jpg", STAT, 0)
    tracker.see("a.jpg", changed, 1)

    assert tracker.next_deadline() == 3
    assert tracker.due(2.5, 10) == []


def test_a_change_found_on_confirming_restarts_the_wait() -> None:
    """The fresh look decides, not the sighting that an event brought."""
    tracker = StabilityTracker(settle=2, cap=60, limit=10)
    tracker.see("a.jpg", STAT, 0)

    verdict = tracker.confirm("a.jpg", STAT._replace(size=11), 2)

    assert StillChanging("a.jpg", "the file keeps changing", 2, report=False) == verdict


def test_sightings_that_changed_nothing_do_not_hold_a_file_back() -> None:
    """A share that chatters about a finished file does not delay it."""
    tracker = StabilityTracker(settle=2, cap=60, limit=10)
    for tenth in range(20):
        tracker.see("a.jpg", STAT, tenth / 10)

    assert tracker.due(2, 10) == ["a.jpg"]


def test_a_vanished_file_is_forgotten() -> None:
    """Deleted before it was ready: dropped quietly (scenario 9)."""
    tracker = StabilityTracker(settle=2, cap=60, limit=10)
    tracker.see("a.jpg", STAT, 0)

    verdict = tracker.confirm("a.jpg", None, 2)

    assert (Gone("a.jpg"), 0) == (verdict, len(tracker))


def test_an_unstable_file_is_reported_once_and_then_looked_at_slowly() -> None:
    """A live log is named after the cap and does not keep the daemon busy (scenario 3)."""
    tracker = StabilityTracker(settle=2, cap=60, limit=10)
    tracker.see("log", STAT, 0)
    looks, reports = 0, 0
    for second in range(1, 601):
        tracker.see("log", STAT._replace(size=10 + second), second)
        for path in tracker.due(second, 10):
            looks += 1
            verdict = tracker.confirm(path, STAT._replace(size=10 + second), second)
            reports += isinstance(verdict, StillChanging) and verdict.report

    assert (looks, reports) == (10, 1)


def test_an_unstable_file_that_stands_still_at_last_is_stable() -> None:
    """The report is no verdict."""
    tracker = StabilityTracker(settle=2, cap=10, limit=10)
    tracker.see("a.jpg", STAT, 0)
    for second in range(1, 31):
        tracker.see("a.jpg", STAT._replace(size=10 + second), second)
        for path in tracker.due(second, 1):
            tracker.confirm(path, STAT._replace(size=10 + second), second)
    deadline = tracker.next_deadline() or 0

    tracker.due(deadline, 1)
    verdict = tracker.confirm("a.jpg", STAT._replace(size=40), max(deadline, 32))

    assert isinstance(verdict, Stable)


def test_an_empty_file_waits_until_the_cap() -> None:
    """Zero bytes are no result of a writer yet (scenario 14)."""
    tracker = StabilityTracker(settle=2, cap=10, limit=10)
    empty = STAT._replace(size=0)
    tracker.see("a.jpg", empty, 0)

    early, late = tracker.confirm("a.jpg", empty, 2), tracker.confirm("a.jpg", empty, 10)

    assert (
        StillChanging("a.jpg", "the file is empty", 2, report=False),
        StillChanging("a.jpg", "the file is empty", 10, report=True),
    ) == (early, late)


def test_half_an_image_waits_again() -> None:
    """Held files come back after a pause and report when the cap has passed (scenario 4)."""
    tracker = StabilityTracker(settle=2, cap=10, limit=10)
    tracker.see("a.jpg", STAT, 0)
    reports: list[tuple[float, bool]] = []
    while not reports or not reports[-1][1]:
        now = tracker.next_deadline() or 0
        assert tracker.due(now, 1) == ["a.jpg"]
        tracker.confirm("a.jpg", STAT, now)
        reports.append((now, tracker.hold("a.jpg", "no end marker", now).report))

    assert reports == [(2, False), (4, False), (6, False), (9, False), (10, True)]


def test_a_full_tracker_turns_new_files_away_and_keeps_the_old() -> None:
    """Bounded memory: the caller rescans again later (scenario 25)."""
    tracker = StabilityTracker(settle=2, cap=60, limit=1)

    taken = [tracker.see(path, STAT, 0) for path in ("a", "b", "a")]

    assert (taken, list(tracker)) == ([True, False, True], ["a"])


def test_an_unconfirmed_file_comes_back() -> None:
    """A caller that dies between `due` and `confirm` loses nothing."""
    tracker = StabilityTracker(settle=2, cap=60, limit=10)
    tracker.see("a.jpg", STAT, 0)

    first, at_once, later = tracker.due(2, 10), tracker.due(2, 10), tracker.due(4, 10)

    assert (first, at_once, later) == (["a.jpg"], [], ["a.jpg"])


def test_the_longest_waiting_come_first() -> None:
    """A flood of new files does not starve the old ones."""
    tracker = StabilityTracker(settle=2, cap=60, limit=10)
    for second, path in enumerate("cab"):
        tracker.see(path, STAT, second)

    assert (tracker.due(5, 1), tracker.due(5, 2)) == (["c"], ["a", "b"])


def test_a_leftover_deadline_does_not_name_a_file_twice() -> None:
    """An old heap entry may fall on the very moment of the new one."""
    tracker = StabilityTracker(settle=2, cap=8, limit=10)
    tracker.see("a.jpg", STAT, 0)
    tracker.due(8, 1)
    tracker.see("a.jpg", STAT._replace(inode=2), 8)
    tracker.due(8, 1)

    assert ["a.jpg"] == tracker.due(10, 2)


def test_the_heap_does_not_grow_with_sightings() -> None:
    """Twenty thousand files and a chatty one: memory follows the files, not the events."""
    tracker = StabilityTracker(settle=2, cap=10_000, limit=20_000)
    for number in range(20_000):
        tracker.see(f"{number}.jpg", STAT, 0)
    for event in range(20_000):
        tracker.see("0.jpg", STAT._replace(size=event), event / 1000)

    assert len(tracker._heap) == 20_000


def test_forgotten_files_leave_the_heap() -> None:
    """Coming and going for months must not fill memory."""
    tracker = StabilityTracker(settle=2, cap=60, limit=10)
    for number in range(10_000):
        tracker.see(f"{number}.jpg", STAT, number)
        tracker.forget(f"{number}.jpg")

    assert len(tracker._heap) < 100


def test_a_file_that_changed_while_it_was_taken_over_stays() -> None:
    """A rescan saw the next version while the first was written down; nobody else would look at it again."""
    tracker = StabilityTracker(settle=2, cap=60, limit=10)
    tracker.see("a.jpg", STAT, 0)
    tracker.see("a.jpg", STAT._replace(size=7), 3)
    tracker.forget("a.jpg", STAT)

    assert ["a.jpg"] == tracker.due(5, 10)


@dataclass
class Model:
    """The same bookkeeping without cleverness."""

    stat: Stat
    first_seen: float
    still_since: float
    look_at: float
    """When it is due."""
    reported: bool = False


SETTLE, CAP, LIMIT, SHORTEST_PAUSE = 2.0, 8.0, 3, 0.5
paths = st.sampled_from(["a", "b", "c", "d"])
stats = st.builds(Stat, size=st.sampled_from([0, 5, 6]), mtime_ns=st.just(1), inode=st.integers(1, 2))


class SettlingAgainstModel(RuleBasedStateMachine):
    """Random sightings, looks and pauses; times are quarters of a second, so sums are exact."""

    def __init__(self) -> None:
        super().__init__()
        self.tracker = StabilityTracker(settle=SETTLE, cap=CAP, limit=LIMIT)
        self.model: dict[str, Model] = {}
        self.now = 0.0

    @rule(quarters=st.integers(1, 12))
    def time_passes(self, quarters: int) -> None:
        self.now += quarters / 4

    @rule(path=paths, stat=stats)
    def see(self, path: str, stat: Stat) -> None:
        expected = path in self.model or len(self.model) < LIMIT
        assert expected == self.tracker.see(path, stat, self.now)
        if expected:
            self.note(path, stat)

    @rule(path=paths, taken=st.none() | stats)
    def forget(self, path: str, taken: Stat | None) -> None:
        self.tracker.forget(path, taken)
        if path in self.model and taken in {None, self.model[path].stat}:
            del self.model[path]

    @rule(path=paths, stat=st.none() | stats)
    def confirm(self, path: str, stat: Stat | None) -> None:
        verdict = self.tracker.confirm(path, stat, self.now)
        if stat is None or path not in self.model:
            self.model.pop(path, None)
            assert Gone(path) == verdict
            return
        file = self.note(path, stat)
        if self.now - file.still_since >= SETTLE and stat.size:
            assert Stable(path, stat, self.now - file.first_seen) == verdict
        else:
            assert isinstance(verdict, StillChanging)
            assert self.expected_report(file) == verdict.report
            self.look_later(file)

    @rule(path=paths)
    def hold(self, path: str) -> None:
        verdict = self.tracker.hold(path, "half", self.now)
        expected = path in self.model and self.expected_report(self.model[path])
        assert expected == verdict.report
        if path in self.model:
            self.look_later(self.model[path])

    @rule(limit=st.integers(0, 5))
    def due(self, limit: int) -> None:
        """The longest overdue first; of those due at one moment, any."""
        found = self.tracker.due(self.now, limit)
        waiting = sorted(file.look_at for file in self.model.values() if file.look_at <= self.now)
        assert waiting[:limit] == [self.model[path].look_at for path in found]
        assert len(set(found)) == len(found)
        for path in found:
            self.model[path].look_at = self.now + SETTLE

    @rule()
    def everything_comes_up_within_the_cap(self) -> None:
        self.now += max(SETTLE, CAP)
        self.due(10)
        assert {self.now + SETTLE} >= {file.look_at for file in self.model.values()}

    @invariant()
    def same_files(self) -> None:
        assert self.model.keys() == self.tracker._files.keys()

    @invariant()
    def the_next_deadline_is_that_of_the_model(self) -> None:
        assert min((file.look_at for file in self.model.values()), default=None) == self.tracker.next_deadline()

    def note(self, path: str, stat: Stat) -> Model:
        file = self.model.setdefault(path, Model(stat, self.now, self.now, self.now + SETTLE))
        if file.stat != stat:
            file.stat, file.still_since = stat, self.now
            if not file.reported:
                file.look_at = min(self.now + SETTLE, file.first_seen + CAP)
        return file

    def look_later(self, file: Model) -> None:
        """After a verdict: when it may have rested, ever later while it rests in vain, rarely once reported."""
        rested = file.still_since + SETTLE
        if rested <= self.now:
            rested = self.now + max(SETTLE, (self.now - file.first_seen) / 2)
        at_the_latest = self.now + CAP if file.reported else file.first_seen + CAP
        file.look_at = max(at_the_latest if file.reported else min(rested, at_the_latest), self.now + SHORTEST_PAUSE)

    def expected_report(self, file: Model) -> bool:
        report = self.now - file.first_seen >= CAP and not file.reported
        file.reported |= report
        return report


TestSettlingAgainstModel = SettlingAgainstModel.TestCase
TestSettlingAgainstModel.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


def test_a_longer_stillness_is_looked_at_when_it_is_reached() -> None:
    """Not before, and from the last change on, whatever `settle` says."""
    tracker = StabilityTracker(2, 60, 10)
    tracker.see("a", Stat(1, 1, 1), 0)
    tracker.due(2, 10)
    tracker.confirm("a", Stat(2, 2, 1), 3)
    tracker.due(5, 10)
    tracker.confirm("a", Stat(2, 2, 1), 5)

    held = tracker.hold("a", "no end", 5, 10)

    assert ({"a": 2}, False, 13) == (tracker.still_for(["a", "b"], 5), held.report, tracker.next_deadline())
