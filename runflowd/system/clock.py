"""The two clocks: one that never jumps, for durations, and one for people and for the state file."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Clock:
    """Where time and chance come from, so that tests can own both.

    `wall` gives epoch seconds. It may jump; nothing but a retry date that must survive a restart
    depends on it, and those dates are capped (`store`). `jitter` gives a number in [0, 1).
    """

    wall: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random

    def now(self) -> float:
        """Monotonic seconds of the event loop: virtual under a test's virtual clock."""
        return anyio.current_time()
