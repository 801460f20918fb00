"""How far a run is: bars per rule on a terminal, a line per change elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from runflowd.commands.formatting import say
from runflowd.core.lifecycle import ItemState
from runflowd.core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.progress import TaskID

    from runflowd.app.sync_run import Progress as Snapshot

LINE_PAUSE = 1.0
"""Seconds between two lines at least."""

_ENDED = frozenset({ItemState.DONE, ItemState.FAILED, ItemState.OUTCOME_UNKNOWN})


@dataclass(frozen=True, slots=True)
class RuleProgress:
    """One rule's items of this run. What had ended before it is taken off."""

    uploading: int
    processing: int
    done: int
    failed: int

    @classmethod
    def of(cls, counts: Mapping[ItemState, int], before: Mapping[ItemState, int]) -> RuleProgress:
        """The progress of present counts over the counts before the run."""

        def now(*states: ItemState) -> int:
            earlier = sum(before.get(state, 0) for state in states if state in _ENDED)
            return max(0, sum(counts.get(state, 0) for state in states) - earlier)

        return cls(
            now(ItemState.READY, ItemState.DUPLICATE, ItemState.QUEUED),
            now(ItemState.SUBMITTED, ItemState.DOWNLOADING),
            now(ItemState.DONE),
            now(ItemState.FAILED, ItemState.OUTCOME_UNKNOWN),
        )

    @property
    def total(self) -> int:
        """All items of this run that are known so far."""
        return self.uploading + self.processing + self.ended

    @property
    def ended(self) -> int:
        """Items that need nothing more."""
        return self.done + self.failed

    def __str__(self) -> str:
        words = f"{self.uploading} uploading, {self.processing} processing, {self.done} done"
        return f"{words}, {self.failed} failed" if self.failed else words


def progress_by_rule(snapshot: Snapshot, before: Mapping[str, Mapping[ItemState, int]]) -> dict[str, RuleProgress]:
    """How far each rule is."""
    return {rule: RuleProgress.of(counts, before.get(rule, {})) for rule, counts in snapshot.counts.items()}


class Bars:
    """Bars on the terminal behind stderr or `console`, with what is wrong above them. A context manager.

    `expected` is how many items of a rule there will be, where that is known beforehand.
    """

    def __init__(
        self,
        before: Mapping[str, Mapping[ItemState, int]],
        expected: Mapping[str, int] | None = None,
        console: Console | None = None,
    ) -> None:
        self._before = before
        self._expected = expected or {}
        self._printed = PrintedTroubles()
        self._tasks: dict[str, TaskID] = {}
        name, detail = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[detail]}", markup=False)
        self._bars = Progress(name, BarColumn(24), detail, TimeElapsedColumn(), console=console or _stderr())

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def announce(self, sentence: str) -> None:
        """Print a sentence above the bars."""
        self._bars.console.print(sentence, style="yellow", markup=False)

    def show(self, snapshot: Snapshot) -> None:
        """Draw how far things are."""
        for line in self._printed.new_lines(snapshot):
            self._bars.console.print(line, style="red", markup=False)
        for rule, progress in progress_by_rule(snapshot, self._before).items():
            if rule not in self._tasks:
                self._tasks[rule] = self._bars.add_task(printable(rule), total=None, detail="")
            total, words = max(progress.total, self._expected.get(rule, 0)) or None, _words(snapshot, progress)
            self._bars.update(self._tasks[rule], total=total, completed=progress.ended, detail=words)


def _words(snapshot: Snapshot, progress: RuleProgress) -> str:
    return f"{snapshot.settling} settling, {progress}" if snapshot.settling else str(progress)


def _stderr() -> Console:
    return Console(stderr=True, highlight=False)


class Lines:
    """A line per rule and change, at most one a second and rule. A context manager."""

    def __init__(self, before: Mapping[str, Mapping[ItemState, int]]) -> None:
        self._before = before
        self._printed = PrintedTroubles()
        self._shown: dict[str, str] = {}
        self._due: dict[str, float] = {}
        self._last: Snapshot | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._last:
            self._print(self._last, at_once=True)

    def announce(self, sentence: str) -> None:
        """Print a sentence among the lines."""
        say(sentence, err=True)

    def show(self, snapshot: Snapshot) -> None:
        """Print what changed, unless a line was printed just now."""
        self._last = snapshot
        for line in self._printed.new_lines(snapshot):
            say(line, err=True)
        self._print(snapshot, at_once=False)

    def _print(self, snapshot: Snapshot, *, at_once: bool) -> None:
        now = time.monotonic()
        for rule, progress in progress_by_rule(snapshot, self._before).items():
            due, words = at_once or now >= self._due.get(rule, 0.0), _words(snapshot, progress)
            if due and progress.total and words != self._shown.get(rule):
                say(f"{printable(rule)}: {words}", err=True)
                self._shown[rule], self._due[rule] = words, now + LINE_PAUSE


class PrintedTroubles:
    """Remembers which incidents, and which troubles of single batches, were printed, so that each is shown once."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str]] = set()

    def new_lines(self, snapshot: Snapshot) -> list[str]:
        """A line for each that is new."""
        found = {
            (str(report.scope), report.code): f"{report.code}: {report.message} -> {report.remedy}"
            for report in snapshot.incidents
        }
        found |= {("", each): f"{each}; it is tried again by itself" for each in snapshot.troubles}
        fresh = [printable(line) for key, line in found.items() if key not in self._known]
        self._known |= found.keys()
        return fresh
