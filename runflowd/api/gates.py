"""The gates of one client: its API, and the storage that uploads and downloads go to, host by host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.api.breaker import Breaker
from runflowd.api.gate import Gate
from runflowd.api.statistics import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.api.settings import Limits

SERVICE, CREDIT, STORAGE = "service", "credit", "storage"
"""What can be closed; the same words as the scopes of incidents."""

_HOSTS = 32
"""Storage hosts remembered: their names come from the service, which may name any number."""


class Gates:
    """What is learned of one service, shared by all calls of its client."""

    def __init__(self, limits: Limits, jitter: Callable[[], float]) -> None:
        self._limits = limits
        self._jitter = jitter
        self.api = Gate(Breaker(SERVICE, jitter), limits.connections, jitter)
        self.credit = Breaker(CREDIT, jitter, tried=True)
        self._storage: dict[str, Gate] = {}

    def __repr__(self) -> str:
        return f"<Gates {self.api!r} {self.credit!r} {self._storage!r}>"

    def storage(self, host: str) -> Gate:
        """The gate of a storage host."""
        found = self._storage.pop(host, None)
        if found is None:
            found = Gate(Breaker(STORAGE, self._jitter, tried=True), self._limits.transfers, self._jitter)
            if len(self._storage) >= _HOSTS:
                del self._storage[next(iter(self._storage))]
        self._storage[host] = found  # the one used last stands last
        return found

    def is_open(self, scope: str) -> bool:
        """Whether a breaker of this scope is open."""
        return any(breaker.is_open for breaker in self._breakers() if breaker.name == scope)

    def snapshot(self) -> Pace:
        """What is learned by now."""
        storage = list(self._storage.values())
        rate = self.api.rate
        refused = rate.refusals + sum(gate.rate.refusals for gate in storage)
        return Pace(rate.rate, refused, self.api.concurrency.limit, storage[-1].concurrency.limit if storage else None)

    def reset(self) -> None:
        """Try everything at once that takes no requests now."""
        for breaker in self._breakers():
            breaker.reset()

    def _breakers(self) -> list[Breaker]:
        return [self.api.breaker, self.credit, *(gate.breaker for gate in self._storage.values())]
