"""The two clocks: one that never jumps, for durations, and one for people and for the state file."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

NEGLIGIBLE = 1.0
"""Seconds that a clock may be off."""


class FollowingWall:
    """The wall clock of this machine, set right by another one, as that of the database several hosts share."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._ahead = 0.0

    def __call__(self) -> float:
        """Epoch seconds."""
        return self._wall() + self._ahead

    def follow(self, theirs: float) -> None:
        """Go as the other one from now on; what it says is as old as the answer took, so a little counts as nothing."""
        if abs(theirs - self()) > NEGLIGIBLE:
            self._ahead = theirs - self._wall()


def _stay(_theirs: float) -> None:
    """A clock that follows nobody."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Where time and chance come from, so that tests can own both.

    `wall` gives epoch seconds. It may jump; nothing but a retry date that must survive a restart
    depends on it, and those dates are capped (`store`). `jitter` gives a number in [0, 1). `follow` is told what
    the clock of a database says that several hosts share.
    """

    wall: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random
    follow: Callable[[float], None] = _stay

    def now(self) -> float:
        """Monotonic seconds of the event loop: virtual under a test's virtual clock."""
        return anyio.current_time()
