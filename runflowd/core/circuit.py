"""Whether an origin is worth a request at all: a circuit breaker.

Closed, everything goes. It opens when most of the recent requests failed, or at once for a reason that holds
for all of them (a refused key, no credit). Then nothing goes until a moment that moves away with each try in
vain, and then one request alone: the probe. So does the very first, since nothing is known before its answer.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from runflowd.core.backoff import delay

WINDOW = 20
"""Outcomes looked at."""

AGE = 60.0
"""Seconds for which an outcome counts."""

ENOUGH = 8
"""Failures that it takes at least: single ones are the trouble of single requests."""

MAX_FAILURE_SHARE = 0.7
"""The share of failures that it takes."""


_INSTANT = 0.001
"""Seconds before its time at which a probe may go as well: whoever waited for it reckons by another clock."""


class Admission(StrEnum):
    """What becomes of a request now."""

    GO = "go"
    PROBE = "probe"
    WAIT = "wait"
    """Until the probe that is under way has ended."""
    REFUSE = "refuse"


class Circuit:
    """One origin's breaker. `now` is monotonic seconds; one that is `tried` needs no probe at first."""

    def __init__(self, *, tried: bool = False) -> None:
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=WINDOW)
        self._tried = tried
        self._probing = False
        self._attempts = 0
        self.retry_at: float | None = None
        """When the next probe may go; None while the circuit is not open."""

    def __repr__(self) -> str:
        return f"<Circuit {'closed' if self.retry_at is None else f'open, {self._attempts} tries in vain'}>"

    def admit(self, now: float) -> Admission:
        """Decide about a request; a probe must be reported as such when it ends."""
        if self.retry_at is None and self._tried:
            return Admission.GO
        if self.retry_at is not None and self.retry_at - now > _INSTANT:
            return Admission.REFUSE
        if self._probing:
            return Admission.WAIT
        self._probing = True
        return Admission.PROBE

    def retry_in(self, now: float) -> float | None:
        """Seconds until the next probe; None while the circuit is not open."""
        return None if self.retry_at is None else max(0.0, self.retry_at - now)

    def succeeded(self, now: float, *, probe: bool) -> None:
        """A request was answered."""
        if probe:
            self.reset()
        if self.retry_at is None:
            self._tried = True
            self._outcomes.append((now, True))

    def failed(self, now: float, jitter: float, *, probe: bool) -> None:
        """A request failed in a way that may be its own trouble or that of all."""
        self._outcomes.append((now, False))
        if probe:
            self._probing = False
        if self.retry_at is None:
            recent = [good for at, good in self._outcomes if now - at <= AGE]
            if recent.count(False) >= max(ENOUGH, MAX_FAILURE_SHARE * len(recent)):
                self._open(now, jitter)
        elif probe:
            self._open(now, jitter)

    def trip(
        self, now: float, jitter: float, *, probe: bool, slowest: float = 60.0, retry_after: float | None = None
    ) -> None:
        """A request failed for a reason that holds for all of them."""
        if probe:
            self._probing = False
        if probe or self.retry_at is None:
            self._open(now, jitter, slowest, retry_after)

    def abandon(self) -> None:
        """The probe was given up by this side, which tells nothing."""
        self._probing = False

    def reset(self) -> None:
        """Forget everything: the next request is a probe."""
        self._outcomes.clear()
        self._tried, self._probing, self._attempts, self.retry_at = False, False, 0, None

    def _open(self, now: float, jitter: float, slowest: float = 60.0, retry_after: float | None = None) -> None:
        self._attempts += 1
        self.retry_at = now + delay(self._attempts, cap=slowest, jitter=jitter, retry_after=retry_after)


class RetryBudget:
    """How many requests may be repeated: some at once, and one more for every two that are answered.

    While most requests fail, repeating each of them would only add to what ails the origin.
    """

    def __init__(self, most: float = 20.0, share: float = 0.5) -> None:
        self._most = most
        self._share = share
        self._left = most

    def earn(self) -> None:
        """A request was answered."""
        self._left = min(self._most, self._left + self._share)

    def spend(self) -> bool:
        """Whether one more request may be repeated; that one counts then."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
