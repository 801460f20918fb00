"""How many requests a second a service lets through, learned from its refusals (429).

Nothing is assumed before the first one. From then on requests are spaced evenly. Each refusal cuts the
rate gently; it comes back quickly to just below where that happened, stays there for half a minute, and then
feels its way up. The models are TCP CUBIC (RFC 9438) and the adaptive retry mode of the AWS SDKs.

A refusal also measures: a service that has just refused has nothing saved up, so what it lets through until
it refuses again is what it allows, whatever burst it grants (the law of a token bucket).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

GENTLE, FIRM = 0.85, 0.7
"""What is left of the rate after a cut, at least; firm where each refusal is followed by a time of silence."""

SLOWEST = 0.1
"""Requests a second; the rate is never cut below."""

_BELOW = 0.95
"""Of the rate at the last cut: where the next half minute is spent."""

_RETURN, _STAY, _CAREFUL = 2.0, 30.0, 120.0
"""Seconds of work after a cut: to just below where it happened, to there, and to a tenth above that. Then the
rate grows ever faster, since the service may allow more than it did."""

_FIRM_RETURN = 5.0
"""As `_RETURN`, for the question whether the last cut was deep enough, after a firm one."""

_DOUBLED = 2.0
"""Seconds in which the rate doubles while no limit was met from below."""

_INSTANT = 1e-6
"""Seconds that no timer can tell from none."""

_SLACK = 4.0
"""Requests that may follow early on one that was late; none after one of them was refused."""

_REGAINED = 0.002
"""Of `_SLACK`, comes back with each accepted request; half as much after each time it was taken away, so that
next to none is left where a service grants no bursts."""

_EVEN = 0.9
"""Share of the usual distance between two requests below which the second came early."""

_REFUSALS, _REMEMBERED = 32, 120.0
"""How many refusals, and for how many seconds, are measured from."""

_MEANT = 1.0
"""Seconds between two refusals that tell what the service at least allows."""


@dataclass(frozen=True, slots=True)
class Start:
    """One request: when it started, as which, after how many seconds of work, and whether early."""

    at: float
    number: int
    worked: float
    early: bool


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A request that was refused, and the rate that followed."""

    start: Start
    rate: float


class RateLimit:
    """Decides when the next request may start. All times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self.rate: float | None = None
        """Requests a second; None while nothing was refused."""
        self.refusals = 0
        self._top = 0.0
        self._cut_at = float("-inf")
        self._cut_after = 0.0
        self._next = float("-inf")
        self._searching = True
        self._slack = _SLACK
        self._regained = _REGAINED
        self._started = 0
        self._worked = 0.0
        self._accepted = 0
        self._first = 0.0
        self._last = 0.0
        self._refused: deque[int] = deque(maxlen=256)
        self._history: deque[_Refusal] = deque(maxlen=_REFUSALS)

    def __repr__(self) -> str:
        return f"<RateLimit {'none' if self.rate is None else f'{self.rate:.1f}/s'}>"

    def wait(self, now: float) -> float:
        """Seconds until a request may start; 0 when it may now."""
        seconds = self._next - now
        return seconds if seconds > _INSTANT else 0.0

    def start(self, now: float) -> Start:
        """A request starts."""
        self._started += 1
        last, self._last = self._last, now
        if self.rate is None:
            self._first = self._first or now
            return Start(now, self._started, 0.0, early=False)
        space = 1.0 / self.rate
        late = now - self._next
        if late < space:  # it had to wait for its turn, so it is the rate that holds things up
            self._worked += space
            self.rate = max(self.rate, self._grown(self._worked - self._cut_after))
            space = 1.0 / self.rate
        self._next = now + space - min(max(late, 0.0), space * self._slack)
        return Start(now, self._started, self._worked, early=now - last < _EVEN * space)

    def accepted(self) -> None:
        """A request was let through, whatever became of it then."""
        self._accepted += 1
        self._slack = min(_SLACK, self._slack + self._regained)

    def refused(self, start: Start, now: float, retry_after: float | None = None) -> None:
        """A request was answered 429; `retry_after` is in seconds."""
        self.refusals += 1
        self._refused.append(start.number)
        if start.early and self._slack:  # its coming too soon after one that was late says nothing about the rate
            self._slack = 0.0
            self._regained /= 2
        elif start.at > self._cut_at:  # others were under way when the last cut was made
            self._searching = self.rate is None
            self._cut(start, now, FIRM if retry_after else GENTLE)
            self._history.append(_Refusal(start, self.rate or 0.0))
        if retry_after:
            self._next = max(self._next, now + retry_after)

    def hold_back(self, until: float) -> None:
        """No request may start before that; what is known of the rate stays."""
        self._next = max(self._next, until)

    def _cut(self, start: Start, now: float, share: float) -> None:
        least, most = self._measured(start)
        if self.rate is None:
            most = max(1.0, self._accepted / max(now - self._first, 0.1))
        elif self._worked - self._cut_after < (_RETURN if share == GENTLE else _FIRM_RETURN):
            most = min(most, self.rate * GENTLE)  # not even just below the last cut was low enough
        self._top = min(self.rate or most, most)
        self.rate = max(SLOWEST, self._top * share, min(self._top, least) * 0.9)
        self._next = max(self._next, now + 1.0 / self.rate)
        self._cut_at, self._cut_after = now, self._worked

    def _measured(self, last: Start) -> tuple[float, float]:
        """What the service allows at least and at most, by what it let through since each earlier refusal.

        Where less was asked for than it allowed, it forgot what it could not save up; so the upper bound counts
        seconds of work alone, and of those the ones at a rate above the bound.
        """
        least, most, slowest = 0.0, float("inf"), float("inf")
        for earlier in reversed(self._history):
            seconds, worked = last.at - earlier.start.at, last.worked - earlier.start.worked
            if seconds > _REMEMBERED:
                break
            refused = sum(earlier.start.number < number < last.number for number in self._refused)
            count = last.number - earlier.start.number - 1 - refused
            slowest = min(slowest, earlier.rate)
            if seconds >= _MEANT:
                least = max(least, (count - 1) / seconds)
            if worked > 0 and slowest >= (bound := (count + 1) / worked):
                most = min(most, bound)
        return least, most

    def _grown(self, worked: float) -> float:
        """The rate after so many seconds of work since the last cut."""
        if self._searching:
            return self._top * GENTLE * float(2.0 ** (worked / _DOUBLED))
        if worked < _RETURN:
            return self._top * (GENTLE + (_BELOW - GENTLE) * worked / _RETURN)
        if worked < _STAY:
            return self._top * (_BELOW + (1 - _BELOW) * worked / _STAY)
        careful = 1.0 + 0.1 * (worked - _STAY) / (_CAREFUL - _STAY)
        return self._top * (careful + max(0.0, worked / _CAREFUL - 1.0) ** 2)
