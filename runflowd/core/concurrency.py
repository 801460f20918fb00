"""How many requests an origin is asked at once, learned from its answers.

The limit doubles from round to round (a round is as many answers as the limit allows) while all of it is
used and answers come no later for it; then it grows by one a round, and is cut when answers come late or most
of them are failures. Vector's adaptive request concurrency is the model.
"""

from __future__ import annotations

FIRST = 8
"""Requests at once before anything is known."""

LEAST = 4

CUT = 0.85

_LATER = 2.0
"""How many times as long as usual a round's answers take when there are too many at once."""

_SOON = 0.02
"""Seconds by which answers may be late whatever is usual."""

_FORGETTING = 1.005
"""By how much the usual duration grows with each round that takes longer."""


class Concurrency:
    """Decides how many may be under way; never more than `most`."""

    def __init__(self, most: int) -> None:
        self._most = float(most)
        self._limit = min(float(FIRST), self._most)
        self._searching = True
        self._usual = float("inf")
        self._answers = 0
        self._failures = 0
        self._seconds = 0.0
        self._full = False
        self.in_flight = 0

    def __repr__(self) -> str:
        return f"<Concurrency {self.in_flight} of {self.limit}>"

    @property
    def limit(self) -> int:
        """Requests at once."""
        return int(self._limit)

    def has_room(self) -> bool:
        """Whether one more may start."""
        return self.in_flight < self.limit

    def start(self) -> None:
        """A request starts."""
        self.in_flight += 1
        self._full = self._full or self.in_flight >= self.limit

    def end(self, seconds: float, *, failed: bool) -> None:
        """A request ended after `seconds`; `failed` without an answer to be trusted."""
        self.in_flight -= 1
        self._answers += 1
        self._failures += failed
        self._seconds += seconds
        if self._answers >= self.limit:
            self._judge()

    def drop(self) -> None:
        """A request was given up by this side, which tells nothing."""
        self.in_flight -= 1

    def _judge(self) -> None:
        mean = self._seconds / self._answers
        if 2 * self._failures > self._answers or mean > _LATER * self._usual + _SOON:
            self._searching = False
            self._limit = max(min(float(LEAST), self._most), self._limit * CUT)
        elif self._full:
            self._limit = min(self._most, self._limit * 2 if self._searching else self._limit + 1)
        self._usual = min(mean, self._usual * _FORGETTING)
        self._answers, self._failures, self._seconds, self._full = 0, 0, 0.0, False
