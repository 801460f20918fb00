"""A circuit breaker that tasks can wait at, and that remembers why it opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from runflowd.api.errors import ApiError, Closed, Unauthorized
from runflowd.core.circuit import Admission, Circuit

if TYPE_CHECKING:
    from collections.abc import Callable

KEY_PROBE = 300.0
"""Seconds between two tries of what only a person can mend, such as the key, at most; a reload tries at once."""

PROBE = 60.0
"""The same for anything else."""


class Breaker:
    """Lets requests through, one alone, or none; `name` is the scope that it stands for."""

    def __init__(self, name: str, jitter: Callable[[], float], *, tried: bool = False) -> None:
        self.name = name
        self._jitter = jitter
        self._circuit = Circuit(tried=tried)
        self._why: ApiError | None = None
        self._changed = anyio.Event()

    def __repr__(self) -> str:
        return f"<Breaker {self.name} {self._circuit!r}>"

    @property
    def is_open(self) -> bool:
        """Whether requests are refused, or wait for a probe."""
        return self._circuit.retry_at is not None

    def closed(self) -> Closed | None:
        """What is reported with an error of something that this breaker refuses now."""
        seconds = self._circuit.retry_in(anyio.current_time())
        return None if seconds is None else Closed(self.name, seconds)

    async def admit(self) -> bool:
        """Wait until a request may go; say whether it is the probe. Raises what opened the breaker."""
        while True:
            match self._circuit.admit(anyio.current_time()):
                case Admission.GO:
                    return False
                case Admission.PROBE:
                    return True
                case Admission.WAIT:
                    await self._changed.wait()
                case Admission.REFUSE:
                    assert self._why is not None
                    raise self._why.unsent(self.closed())

    def succeeded(self, *, probe: bool) -> None:
        """A request was answered."""
        self._circuit.succeeded(anyio.current_time(), probe=probe)
        if probe:
            self._wake()

    def failed(self, error: ApiError, *, probe: bool) -> None:
        """A request failed; that may be its own trouble or that of all."""
        self._circuit.failed(anyio.current_time(), self._jitter(), probe=probe)
        self._note(error, probe=probe)

    def trip(self, error: ApiError, *, probe: bool, retry_after: float | None = None) -> None:
        """A request failed for a reason that holds for all of them."""
        slowest = KEY_PROBE if isinstance(error, Unauthorized) else PROBE
        now, jitter = anyio.current_time(), self._jitter()
        self._circuit.trip(now, jitter, probe=probe, slowest=slowest, retry_after=retry_after)
        self._note(error, probe=probe)

    def abandon(self) -> None:
        """The probe ended without telling anything."""
        self._circuit.abandon()
        self._wake()

    def reset(self) -> None:
        """Let the next request be a probe, whatever was known."""
        self._circuit.reset()
        self._wake()

    def _note(self, error: ApiError, *, probe: bool) -> None:
        if self.is_open and (probe or self._why is None):
            self._why = error
        if probe:
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
        if not self.is_open:
            self._why = None
