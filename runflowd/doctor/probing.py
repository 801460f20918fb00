"""Looking at things that may hang: each look has a thread of its own and a time after which it is given up.

A share that is gone, a name server that is silent: a system call on them may not return for minutes. The
threads are daemon threads, which the end of the program does not wait for.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runflowd.core.printable import printable, scrubbed
from runflowd.doctor.findings import Finding, Level, warning
from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

AT_ONCE = 8
"""Looks that run at the same time."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing to look at: `see` may block, and may raise anything.

    `late` says what to do if it takes too long or fails, and `level` how bad that is.
    """

    check: str
    subject: str
    see: Callable[[], Iterable[Finding]]
    late: str
    seconds: float = 10.0
    level: Level = Level.PROBLEM


def findings_of(looks: list[Probe]) -> Iterator[Finding]:
    """What every look finds, in their order; what is late or fails is a finding of its own."""
    for first in range(0, len(looks), AT_ONCE):
        running = [_Running(look) for look in looks[first : first + AT_ONCE]]
        for each in running:
            yield from map(_scrubbed, each.findings())


def _scrubbed(found: Finding) -> Finding:
    """The finding without what an address or an error may hold of secrets."""
    return replace(found, subject=scrubbed(found.subject), message=scrubbed(found.message))


class _Running:
    """A look under way."""

    def __init__(self, look: Probe) -> None:
        self._look = look
        self._deadline = time.monotonic() + look.seconds
        self._found: queue.SimpleQueue[list[Finding]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=f"doctor {look.check}", daemon=True).start()

    def findings(self) -> list[Finding]:
        """Wait for the end of the look, or for the end of its time."""
        look = self._look
        try:
            return self._found.get(timeout=max(self._deadline - time.monotonic(), 0.0))
        except queue.Empty:
            message = f"gave no answer within {look.seconds:g} s"
            return [Finding(look.check, look.level, look.subject, message, look.late)]

    def _run(self) -> None:
        try:
            found = list(self._look.see())
        except Exception as error:  # noqa: BLE001  whatever it was, the other looks go on
            found = [_failed(self._look, error)]
        self._found.put(found)


def _failed(look: Probe, error: Exception) -> Finding:
    if isinstance(error, RunflowdError):
        return Finding(look.check, look.level, look.subject, str(error), look.late)
    if isinstance(error, OSError):
        message = f"cannot be looked at: {error.strerror or error}"
        return Finding(look.check, look.level, look.subject, message, look.late)
    text = printable(f"{type(error).__name__}: {error}")[:300]
    remedy = "this is a mistake in runflowd; please report it with this line"
    return warning(look.check, look.subject, f"could not be examined ({text})", remedy)
