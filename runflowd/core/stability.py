"""Which files have stopped changing.

A file is stable when size, mtime_ns and inode stood still for `settle` seconds and it holds at least one byte.

The tracker never touches a file. Its caller looks, and reports what it saw:

    tracker.see(path, stat, now)          from an event or a rescan
    for path in tracker.due(now, 100):    these stood still long enough, as far as is known
        tracker.confirm(path, stat_of(path), now)

`now` is monotonic seconds. Nothing here depends on a file's age: mtimes lie.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runflowd.core.model import Stat

_SHORTEST_PAUSE = 0.5
"""Seconds until a path handed out by `due` is handed out again if nobody confirmed it."""


@dataclass(frozen=True, slots=True)
class Stable:
    """The file is stable. It stays tracked until `forget` (taken over) or `hold` (not good yet)."""

    path: str
    stat: Stat
    waited: float


@dataclass(frozen=True, slots=True)
class StillChanging:
    """Not yet; `reason` is a clause for people. `report` is True exactly once, when `cap` has passed."""

    path: str
    reason: str
    waited: float
    report: bool


@dataclass(frozen=True, slots=True)
class Gone:
    """The file vanished before it became stable, and is forgotten."""

    path: str


Verdict: TypeAlias = Stable | StillChanging | Gone


@dataclass(slots=True)
class _Waiting:
    """One tracked file.

    `deadline` is when to look next. Its one live heap entry has the number `ticket` and the deadline
    `queued`, which may be earlier; entries with other numbers are leftovers.
    """

    stat: Stat
    first_seen: float
    still_since: float
    deadline: float
    queued: float = 0.0
    ticket: int = 0
    reported: bool = False


class StabilityTracker:
    """Tracks up to `limit` files until they are stable; all operations are O(log n) or better.

    The cases it handles:

    - Written in one go: stable `settle` seconds after the last change of size, mtime_ns or inode.
    - Written slowly, in bursts, or with a preallocated size: each difference restarts the wait.
    - Replaced by a rename, or given an older mtime by a copier: a difference like any other.
    - Touched by events that changed nothing, as on a chatty network share: the wait goes on and is not restarted.
    - Changed after its last event: the fresh stat that `confirm` is given decides, not the one an event brought.
    - Empty: not stable, however long it stands still; reported once after `cap` seconds.
    - Stable but not good yet, such as half an image whose writer pauses: `hold` waits in growing pauses, up to `cap`.
    - Never stable, such as a live log: reported once after `cap` seconds and from then on checked every `cap` seconds;
      it is taken if it becomes stable at last.
    - Deleted before it was stable: forgotten.
    - Changed while it was being recorded: `forget(path, taken)` keeps tracking the newer version.
    - Handed out by `due` and never confirmed, as when the caller failed: handed out again.
    - More than `limit` files at once: turned away, for a later rescan to find.

    Args:
        settle: Seconds without any change after which a file counts as stable.
        cap: Seconds after which an unstable file is reported and checked rarely.
        limit: Most files tracked at once. Further ones are not taken: rescan again later.
    """

    def __init__(self, settle: float, cap: float, limit: int) -> None:
        self.settle = settle
        self.cap = max(cap, settle)
        self.limit = limit
        self._files: dict[str, _Waiting] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._tickets = 0

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, path: object) -> bool:
        return path in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __repr__(self) -> str:
        return f"<StabilityTracker {len(self._files)} of {self.limit} files, settle={self.settle:g}s>"

    def see(self, path: str, stat: Stat, now: float) -> bool:
        """Note what a look at `path` found; say whether the file is tracked (False: full)."""
        waiting = self._files.get(path)
        if waiting is None:
            return self._take(path, stat, now)
        if stat != waiting.stat:
            waiting.stat = stat
            waiting.still_since = now
            if not waiting.reported:
                self._schedule(path, waiting, min(now + self.settle, waiting.first_seen + self.cap))
        return True

    def due(self, now: float, limit: int) -> list[str]:
        """Up to `limit` paths to look at again now, longest overdue first.

        A path that nobody confirms comes back after `settle` seconds, so a caller that dies halfway
        loses nothing.
        """
        paths: list[str] = []
        while len(paths) < limit and self._prune() and self._heap[0][0] <= now:
            paths.append(heapq.heappop(self._heap)[2])
        for path in paths:
            waiting = self._files[path]
            waiting.deadline = now + max(self.settle, _SHORTEST_PAUSE)
            self._queue(path, waiting)
        return paths

    def confirm(self, path: str, stat: Stat | None, now: float) -> Verdict:
        """Decide about `path` by a fresh look at it; `stat` is None when there is no such file any more."""
        waiting = self._files.get(path)
        if stat is None or waiting is None:
            self.forget(path)
            return Gone(path)
        self.see(path, stat, now)
        stable = now >= waiting.still_since + self.settle
        if stable and stat.size > 0:
            return Stable(path, stat, now - waiting.first_seen)
        return self._wait(path, waiting, "the file is empty" if stable else "the file keeps changing", now)

    def still_for(self, paths: Iterable[str], now: float) -> dict[str, float]:
        """For how many seconds each of these paths has not been seen to change; those not tracked are left out."""
        return {path: now - self._files[path].still_since for path in paths if path in self._files}

    def hold(self, path: str, reason: str, now: float, stillness: float = 0.0) -> StillChanging:
        """Keep a file waiting that is stable but not good yet, such as half an image.

        It is looked at once it has not changed for `stillness` seconds, where that is longer than `settle`, and is
        given that much longer; with `math.inf` only another content will do, and it is looked at when its time is over.
        The pauses grow with the time waited, up to `cap`. The caller decides what `report` means:
        for half an image that its writer has left, a failure.
        """
        waiting = self._files.get(path)
        if waiting is None:
            return StillChanging(path, reason, 0.0, report=False)
        return self._wait(path, waiting, reason, now, stillness)

    def forget(self, path: str, taken: Stat | None = None) -> None:
        """Stop tracking; harmless if the path is not tracked.

        With `taken`, the content that was taken over, a file that was seen to change since stays.
        """
        waiting = self._files.get(path)
        if waiting is None or (taken is not None and taken != waiting.stat):
            return
        del self._files[path]
        self._drop_leftovers()

    def next_deadline(self) -> float | None:
        """When `due` will next return something; None while nothing is tracked."""
        return self._heap[0][0] if self._prune() else None

    def _take(self, path: str, stat: Stat, now: float) -> bool:
        if len(self._files) >= self.limit:
            return False
        self._files[path] = waiting = _Waiting(stat, now, now, now + self.settle)
        self._queue(path, waiting)
        return True

    def _wait(self, path: str, waiting: _Waiting, reason: str, now: float, stillness: float = 0.0) -> StillChanging:
        waited = now - waiting.first_seen
        end = waiting.first_seen + self.cap + (stillness if math.isfinite(stillness) else 0.0)
        report = now >= end and not waiting.reported
        if waiting.reported or report:
            waiting.reported = True
            pause = self.cap
        else:
            pause = min(self._pause(waiting, now, stillness), end - now)
        self._schedule(path, waiting, now + max(pause, _SHORTEST_PAUSE))
        return StillChanging(path, reason, waited, report)

    def _pause(self, waiting: _Waiting, now: float, stillness: float) -> float:
        """Seconds to the next look: the rest of the wait, or growing pauses for one that is stable already."""
        remaining = waiting.still_since + max(self.settle, stillness) - now
        if remaining <= 0:
            remaining = max(self.settle, (now - waiting.first_seen) / 2)
        return remaining

    def _schedule(self, path: str, waiting: _Waiting, deadline: float) -> None:
        waiting.deadline = deadline
        # Later is noticed when the old entry surfaces; only earlier needs an entry of its own.
        if deadline < waiting.queued:
            self._queue(path, waiting)
            self._drop_leftovers()

    def _queue(self, path: str, waiting: _Waiting) -> None:
        """Give the file a heap entry at its deadline; an entry it had before becomes a leftover."""
        self._tickets += 1
        waiting.queued, waiting.ticket = waiting.deadline, self._tickets
        heapq.heappush(self._heap, (waiting.queued, waiting.ticket, path))

    def _drop_leftovers(self) -> None:
        if len(self._heap) > 2 * len(self._files) + 64:
            self._heap = [(waiting.queued, waiting.ticket, path) for path, waiting in self._files.items()]
            heapq.heapify(self._heap)

    def _prune(self) -> bool:
        """Bring a live entry to the top of the heap; say whether there is one."""
        while self._heap:
            queued, ticket, path = self._heap[0]
            waiting = self._files.get(path)
            if waiting is None or ticket != waiting.ticket:
                heapq.heappop(self._heap)
            elif waiting.deadline > queued:
                heapq.heappop(self._heap)
                self._queue(path, waiting)
            else:
                return True
        return False
