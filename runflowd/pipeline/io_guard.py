"""Calls into the folders of rules: each rule's run on threads of its own, so that a dead share holds up its own rule.

A call to a share whose server hangs returns when the server does, be it in days. Nothing else may touch users'
folders: no transaction, no event loop, no thread that rules share.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runflowd.core.model import Rule
    from runflowd.system.clock import Clock

T = TypeVar("T")

RESPONSE_TIMEOUT = 60.0
"""Seconds without any answer after which a folder counts as unresponsive."""

SLOW_AFTER = 5.0
"""Seconds without any answer after which other rules' work goes first."""

LATELY = 1.0
"""Seconds for which an answer shows that a folder answers."""

THREADS = 8
"""Calls of a rule to a folder at a time; the others of that rule wait, and nobody else's."""


class Role(StrEnum):
    """What a rule does with a folder."""

    WATCHED = "watched"
    WRITTEN = "written"


class Abandoned(RunflowdError):
    """A call was not waited for, since the process ends."""

    def __init__(self) -> None:
        super().__init__("a folder did not answer before the end; the next start looks at what became of it")


class FolderIo:
    """The calls of one rule to one of its folders."""

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = anyio.CapacityLimiter(threads)
        self._open = 0
        self._progress = 0
        self._counted = -1
        self._since = 0.0
        self._answered = -math.inf
        self._writes: set[anyio.CancelScope] = set()
        self._ending = False
        self.timeout_reported = False

    def __repr__(self) -> str:
        return f"<FolderIo, {self._open} calls open>"

    async def read(self, call: Callable[..., T], *given: object) -> T:
        """Run a blocking call that only looks or reads: a cancelled one is left to itself and does no harm.

        Its answer is no sign of life while a write is pending: a share may read, be it from memory, and not write.
        """
        with self._pending(counts_as_progress=not self._writes):
            found = await anyio.to_thread.run_sync(call, *given, abandon_on_cancel=True, limiter=self._threads)
        self._answered = anyio.current_time()
        return found

    @property
    def answered_lately(self) -> bool:
        """Whether a read was answered within `LATELY`: then there is no use in asking just to see."""
        return anyio.current_time() - self._answered < LATELY

    async def write(self, call: Callable[..., T], *given: object) -> T:
        """Run a blocking call that changes something: cancelled or not it is waited for, unless the process ends.

        Raises `Abandoned` then: the same as a crash at that moment.
        """
        if self._ending:
            await anyio.lowlevel.checkpoint()
            raise Abandoned
        with self._pending(), anyio.CancelScope(shield=True) as scope:
            self._writes.add(scope)
            try:
                return await anyio.to_thread.run_sync(call, *given, abandon_on_cancel=True, limiter=self._threads)
            finally:
                self._writes.discard(scope)
        await anyio.lowlevel.checkpoint()  # a cancelled caller gets no error
        raise Abandoned

    @contextmanager
    def _pending(self, *, counts_as_progress: bool = True) -> Iterator[None]:
        """A call is pending; its start and its end are signs of life where they are `counts_as_progress`."""
        if counts_as_progress:
            self.note_progress()
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
            if counts_as_progress:
                self.note_progress()

    def detach(self) -> None:
        """Wait no more for what changes something, and begin no more of it."""
        self._ending = True
        for scope in self._writes:
            scope.cancel()

    def note_progress(self) -> None:
        """Note a sign of life, as after each of many files. May be called from any thread."""
        self._progress += 1

    @property
    def progress(self) -> int:
        """How many signs of life there were so far."""
        return self._progress

    def unresponsive_for(self, now: float) -> float:
        """Seconds without a sign of life while a call is pending, as far as those who ask this have noticed."""
        if not self._open or self._progress != self._counted:
            self._counted, self._since = self._progress, now
        return now - self._since


class IoGuard:
    """All calls into users' folders, by rule and folder. A rule whose folder is changed leaves what hangs behind."""

    def __init__(self, clock: Clock, threads: int = THREADS) -> None:
        self._clock = clock
        self._size = threads
        self._folders: dict[tuple[Role, str, str], FolderIo] = {}

    def __repr__(self) -> str:
        return f"<IoGuard of {len(self._folders)} folders>"

    def watched(self, rule: Rule) -> FolderIo:
        """The calls of a rule to the folder that it watches, and to those that it only reads."""
        return self._of(Role.WATCHED, rule.name, rule.watch)

    def written(self, rule: Rule) -> FolderIo:
        """The calls of a rule's deliveries, to whatever folder."""
        return self._of(Role.WRITTEN, rule.name, rule.output)

    def slow(self, *roles: Role) -> set[str]:
        """The rules that no work is begun for now, and whose work gives its place to the others'."""
        return self._stalled(SLOW_AFTER, roles)

    def unresponsive(self, *roles: Role) -> set[str]:
        """The rules with a call that has been pending for a minute without progress. To be called every few seconds."""
        return self._stalled(RESPONSE_TIMEOUT, roles)

    def detach(self) -> None:
        """The process ends: nothing that hangs is waited for."""
        for folder in self._folders.values():
            folder.detach()

    def _of(self, role: Role, rule: str, folder: str) -> FolderIo:
        return self._folders.setdefault((role, rule, folder), FolderIo(self._size))

    def _stalled(self, seconds: float, roles: tuple[Role, ...]) -> set[str]:
        now, seconds = self._clock.now(), min(seconds, RESPONSE_TIMEOUT)
        folders = self._folders.items()
        return {rule for (role, rule, _), each in folders if role in roles and each.unresponsive_for(now) >= seconds}
