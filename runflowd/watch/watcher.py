"""The watcher: roots under watch, hints for the event loop, and an audit that mends what broke in silence."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread

from runflowd.core.printable import printable
from runflowd.files import root_identity
from runflowd.system.mounts import watches_used_up
from runflowd.watch.observer import OVERFLOWS, WANTED, Handler, is_alive, started
from runflowd.watch.problems import ProblemKind, WatchProblem, instances_message, limit_message, overflow_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from watchdog.observers.api import ObservedWatch
    from watchdog.observers.inotify import InotifyObserver

    from runflowd.watch.hint_queue import HintQueue


T = TypeVar("T")

_STOP_TIMEOUT = 3.0
"""Seconds for which the end waits for the library's threads."""


@dataclass(frozen=True, slots=True)
class _Armed:
    """A root under watch, and which folder it was then."""

    watch: ObservedWatch
    identity: tuple[int, int]


class Watcher:
    """Watches root folders with everything beneath. Use with `async with`, on any anyio backend.

    Args:
        hints: Where its hints go, from threads of their own.
        wake: Called on the event loop after the first hint of a rule.
        deep: Whether what is beneath the roots is watched, too.
    """

    def __init__(self, hints: HintQueue, wake: Callable[[], None], *, deep: bool = True) -> None:
        self._deep = deep
        self._hints = hints
        self._wake_loop = wake
        self._token: anyio.lowlevel.EventLoopToken | None = None
        self._turn = anyio.Lock()
        self._thread = anyio.CapacityLimiter(1)
        self._observer: InotifyObserver | None = None
        self._roots: frozenset[str] = frozenset()
        self._tried: frozenset[str] = frozenset()
        self._ignore: frozenset[str] = frozenset()
        self._armed: dict[str, _Armed] = {}
        self._problems: dict[tuple[ProblemKind, str], WatchProblem] = {}
        self._overflows = 0
        self._overflows_reported = 0

    def __repr__(self) -> str:
        return f"<Watcher of {len(self._armed)} of {len(self._roots)} roots, {len(self._problems)} troubles>"

    async def __aenter__(self) -> Self:
        self._token = anyio.lowlevel.current_token()
        OVERFLOWS.attach(self._on_overflow)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.move_on_after(_STOP_TIMEOUT, shield=True):  # a folder that does not answer may hold its thread
            await self._on_thread(self._stop)
        OVERFLOWS.detach(self._on_overflow)

    @property
    def problems(self) -> tuple[WatchProblem, ...]:
        """What the last audit found, reported or not; for status pages."""
        return tuple(self._problems.values())

    @property
    def watched(self) -> frozenset[str]:
        """The roots that events come from; the others must be rescanned often."""
        return frozenset(self._armed)

    @property
    def roots(self) -> frozenset[str]:
        """The folders that it was asked to watch, and has tried to."""
        return self._tried

    @property
    def overflows(self) -> int:
        """How often the kernel's queue overflowed and lost events, since the start."""
        return self._overflows

    async def set_roots(self, roots: Iterable[str], *, ignore: Iterable[str] = ()) -> None:
        """Watch exactly these absolute folders; events beneath `ignore` (own outputs) are dropped.

        A root that cannot be watched is no error: the next audit names it and tries again. Every
        newly armed root comes up as a hint.
        """
        async with self._turn:
            ignored = frozenset(ignore)
            if ignored != self._ignore:
                self._ignore = ignored
                await self._on_thread(self._stop)
            self._roots = frozenset(roots)
            await self._on_thread(self._arm_all)
            self._tried = self._roots

    async def rebuild(self) -> None:
        """Start the observer anew, as when events are missed for no reason that `audit` knows.

        Every root comes up as a hint.
        """
        async with self._turn:
            await self._on_thread(self._stop)
            await self._on_thread(self._arm_all)

    async def _on_thread(self, call: Callable[[], T]) -> T:
        """Run a blocking call on a thread of its own. Who is cancelled does not wait: a folder may never answer."""
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._thread)

    async def audit(self) -> tuple[WatchProblem, ...]:
        """Compare the watcher with the facts and mend it; return the troubles not reported before.

        What was mended comes up as hints. Cheap enough for each turn.
        """
        async with self._turn:
            found = await self._on_thread(self._examine)
        now = {(problem.kind, problem.path): problem for problem in found}
        new = tuple(problem for key, problem in now.items() if key not in self._problems)
        self._problems = now
        return new

    # What follows runs in worker threads, one at a time.

    def _examine(self) -> list[WatchProblem]:
        found: list[WatchProblem] = []
        if self._observer is not None and not is_alive(self._observer):
            self._stop()
            found.append(WatchProblem(ProblemKind.DIED, "", "the file watcher died and was started anew"))
        found += self._check_roots()
        found += self._arm_all()
        found += self._check_limit(found)
        if self._overflows != self._overflows_reported:
            self._overflows_reported = self._overflows
            found.append(WatchProblem(ProblemKind.OVERFLOW, "", overflow_message()))
        return found

    def _check_roots(self) -> list[WatchProblem]:
        """Disarm every root that is another folder than before, or whose thread has ended."""
        found = []
        for root, armed in list(self._armed.items()):
            identity = root_identity(root)
            if identity != armed.identity:
                self._disarm(root)
                if identity is not None:
                    message = f"{printable(root)} is another folder than before; it is watched anew"
                    found.append(WatchProblem(ProblemKind.ROOT_REPLACED, root, message))
            elif not self._has_live_emitter(armed.watch):
                self._disarm(root)
        return found

    def _check_limit(self, found: list[WatchProblem]) -> list[WatchProblem]:
        if not self._armed or any(problem.kind is ProblemKind.WATCH_LIMIT for problem in found):
            return []
        before = any(kind is ProblemKind.WATCH_LIMIT for kind, _ in self._problems)
        if watches_used_up():
            return [self._limit_problem()]
        if before:  # Room again: folders left out then are covered only by starting over.
            self._stop()
            return self._arm_all()
        return []

    def _arm_all(self) -> list[WatchProblem]:
        for root in self._armed.keys() - self._roots:
            self._disarm(root)
        missing = sorted(self._roots - self._armed.keys())
        return [problem for root in missing if (problem := self._arm(root)) is not None]

    def _arm(self, root: str) -> WatchProblem | None:
        """Begin watching a root; the trouble if that does not work."""
        identity = root_identity(root)
        if identity is None:
            message = f"{printable(root)} is not there (unmounted, or removed); its files wait until it is back"
            return WatchProblem(ProblemKind.ROOT_GONE, root, message)
        # The library does not follow a symlink given as root, so it gets the real folder.
        handler = Handler(root, os.path.realpath(root), self._ignore, self._hints, self._wake)
        try:
            self._observer = self._observer or started()
            watch = self._observer.schedule(handler, handler.real, recursive=self._deep, event_filter=WANTED)
        except (OSError, RuntimeError) as error:
            return self._why_unwatched(root, error)
        self._armed[root] = _Armed(watch, identity)
        if self._hints.add_path(root, deep=True):
            self._wake()
        return None

    def _why_unwatched(self, root: str, error: Exception) -> WatchProblem:
        code = error.errno if isinstance(error, OSError) else None
        if code == errno.ENOSPC:
            return self._limit_problem()
        if code == errno.EMFILE:
            return WatchProblem(ProblemKind.INSTANCE_LIMIT, "", instances_message())
        message = f"{printable(root)} cannot be watched ({error}); it is rescanned instead"
        return WatchProblem(ProblemKind.UNWATCHED, root, message)

    def _limit_problem(self) -> WatchProblem:
        """Counting folders takes a while, so it is done once per incident."""
        known = self._problems.get((ProblemKind.WATCH_LIMIT, ""))
        return known or WatchProblem(ProblemKind.WATCH_LIMIT, "", limit_message(self._roots))

    def _disarm(self, root: str) -> None:
        armed = self._armed.pop(root)
        if self._observer is not None and all(armed.watch != other.watch for other in self._armed.values()):
            with suppress(KeyError, OSError):
                self._observer.unschedule(armed.watch)

    def _has_live_emitter(self, watch: ObservedWatch) -> bool:
        emitters = self._observer.emitters if self._observer is not None else set()
        return any(emitter.watch == watch and emitter.is_alive() for emitter in emitters)

    def _stop(self) -> None:
        observer, self._observer = self._observer, None
        self._armed.clear()
        if observer is not None:
            observer.stop()
            observer.join()

    # Called by watchdog's threads as well.

    def _on_overflow(self) -> None:
        self._overflows += 1
        if self._hints.lose():
            self._wake()

    def _wake(self) -> None:
        with suppress(anyio.RunFinishedError):
            anyio.from_thread.run_sync(self._wake_loop, token=self._token)
