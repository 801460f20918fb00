"""Counts what goes over the wire, by route and status, for the metrics and the benchmark."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went over the wire since the client was made. Sizes are bytes of bodies, times seconds.

    `requests` maps (route, status) to a number, where the status 0 means that no answer came.
    `seconds` maps a route to the time spent in it.
    """

    requests: dict[tuple[str, int], int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    sent: int = 0
    received: int = 0
    in_flight: int = 0


class Counters:
    """The counters behind `Traffic`; only ever touched from the event loop."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, int], int] = {}
        self._seconds: dict[str, float] = {}
        self._sent = 0
        self._received = 0
        self._in_flight = 0

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

    def snapshot(self) -> Traffic:
        """Return the counts as they stand, detached from further changes."""
        return Traffic(dict(self._requests), dict(self._seconds), self._sent, self._received, self._in_flight)
