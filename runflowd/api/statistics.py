"""Counts what goes over the wire, by route and status, for the metrics and the benchmark."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

import anyio


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went over the wire since the client was made. Sizes are bytes of bodies, times seconds.

    `requests` maps (route, status) to a number, where the status 0 means that no answer came.
    `seconds` maps a route to the time spent in it. `ahead` is how many seconds the service's clock was
    ahead of this machine's now, as its last answer tells, None while no answer was dated.
    """

    requests: dict[tuple[str, int], int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    sent: int = 0
    received: int = 0
    in_flight: int = 0
    ahead: float | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """What is learned of how much a service takes.

    `rate` is in requests a second, None while none was refused; `refused` counts those that were. The others
    are how many requests may be under way, at the API and at the storage used last, None before the first.
    """

    rate: float | None = None
    refused: int = 0
    at_once: int | None = None
    transfers: int | None = None

    @property
    def allowed(self) -> str:
        """The rate in words, "about 25 requests/s"; empty while none is known."""
        if self.rate is None:
            return ""
        return f"about {self.rate:.0f} requests/s" if self.rate >= 10 else f"about {self.rate:.1f} requests/s"


class Counters:
    """The counters behind `Traffic`; only ever touched from the event loop."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, int], int] = {}
        self._seconds: dict[str, float] = {}
        self._sent = 0
        self._received = 0
        self._in_flight = 0
        self._service_time: tuple[float, float] | None = None

    def start(self) -> None:
        self._in_flight += 1

    def end(self, route: str, status: int, seconds: float) -> None:
        self._in_flight -= 1
        self._requests[route, status] = self._requests.get((route, status), 0) + 1
        self._seconds[route] = self._seconds.get(route, 0.0) + seconds

    def sent(self, size: int) -> None:
        self._sent += size

    def received(self, size: int) -> None:
        self._received += size

    def dated(self, date: str) -> None:
        """Note the `Date` header of an answer (RFC 9110, 6.6.1); one that makes no sense tells nothing."""
        with suppress(ValueError, TypeError, IndexError, OverflowError):
            told = parsedate_to_datetime(date).replace(tzinfo=UTC).timestamp()
            self._service_time = told, anyio.current_time()

    def ahead(self) -> float | None:
        """How many seconds the service's clock is ahead of this machine's; None while no answer was dated.

        By the clock that never jumps, so that one on the wall that was set since is told apart, too.
        """
        if self._service_time is None:
            return None
        told, at = self._service_time
        return told + anyio.current_time() - at - time.time()

    def snapshot(self) -> Traffic:
        """Return the counts as they stand, detached from further changes."""
        requests, seconds = dict(self._requests), dict(self._seconds)
        return Traffic(requests, seconds, self._sent, self._received, self._in_flight, self.ahead())
