"""How often passwords may be tried: for each key a bucket of tries that empties with time.

Nobody is shut out for good: a full bucket takes one more try a minute. A browser that its user has logged in with
before has a bucket of its own, so strangers who try their name do not hold them up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

TRIES = 10
"""What a bucket holds: these may be made at once."""

EACH = 60.0
"""Seconds in which one try is forgotten."""

MOST_KEYS = 10_000
"""Buckets that are remembered; beyond them the one that was left alone longest goes."""


class LoginThrottle:
    """Counts tries; `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._empty_at: dict[Hashable, float] = {}

    def attempt(self, keys: Sequence[Hashable], now: float) -> float:
        """Count a try under each key; 0, or in how many seconds it may be made, and then it is not counted."""
        empty_at = {key: max(self._empty_at.pop(key, now), now) for key in keys}
        wait = max(max(empty_at.values()) - now - (TRIES - 1) * EACH, 0.0)
        for key, when in empty_at.items():  # put back at the end: the dict is in the order of use
            self._empty_at[key] = when if wait else when + EACH
        while len(self._empty_at) > MOST_KEYS:
            del self._empty_at[next(iter(self._empty_at))]
        return wait

    def succeeded(self, keys: Sequence[Hashable]) -> None:
        """Take back the try that was right."""
        for key in keys:
            if key in self._empty_at:
                self._empty_at[key] -= EACH
