"""What every request to one origin passes: how many at once, how many a second, in which order, and again.

The limits are learned (`core.rate`, `core.concurrency`) and shared by whoever uses the client. A refusal for
too many requests (429) costs the request time only. What fails by itself is repeated by itself; an origin
most of whose requests fail is left alone but for one probe at a time (`core.circuit`).
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, TypeVar

import anyio

from runflowd.api.errors import ApiError, OutOfCredit, RateLimited, Transient, Unauthorized
from runflowd.core.circuit import RetryBudget
from runflowd.core.concurrency import Concurrency
from runflowd.core.rate import RateLimit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runflowd.api.breaker import Breaker
    from runflowd.core.rate import Start

Value = TypeVar("Value")

PAUSES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each repetition of a request; half of it is left to chance."""

LONG = 60.0
"""Seconds of `Retry-After` that are waited for here; more than that closes the origin, and is reported."""

ABSURD = 120.0
"""Seconds of nothing but refusals after which the same holds without a word of the service."""


@dataclass(order=True, slots=True)
class _Waiter:
    """A request in the queue, by the time at which it is due."""

    due: float
    number: int
    event: anyio.Event = field(default_factory=anyio.Event, compare=False)


@dataclass(slots=True)
class Turn:
    """A request that was let through; `end` makes room for the next."""

    gate: Gate
    start: Start
    breakers: tuple[Breaker, ...]
    probes: list[Breaker]

    def end(self, *, failed: bool = False) -> None:
        """Give the place to the next; the transfer, if it was one, has ended."""
        self.gate.concurrency.end(anyio.current_time() - self.start.at, failed=failed)
        self.gate.wake()

    def drop(self) -> None:
        """The same for a request that this side gave up."""
        self.gate.concurrency.drop()
        for breaker in self.probes:
            breaker.abandon()
        self.gate.wake()


class Gate:
    """The limits of one origin and its queue. Safe to share among tasks."""

    def __init__(self, breaker: Breaker, most: int, jitter: Callable[[], float]) -> None:
        self.breaker = breaker
        self.rate = RateLimit()
        self.concurrency = Concurrency(most)
        self._jitter = jitter
        self._budget = RetryBudget()
        self._waiting: list[_Waiter] = []
        self._numbers = count()
        self._refused_since: float | None = None
        self._asked_to_wait = float("-inf")

    def __repr__(self) -> str:
        return f"<Gate {self.rate!r} {self.concurrency!r} {self.breaker!r} {len(self._waiting)} waiting>"

    async def run(
        self, send: Callable[[], Awaitable[Value]], *, behind: float = 0.0, also: tuple[Breaker, ...] = ()
    ) -> Value:
        """Let one request through; `send` makes it, again if need be. Raises `ApiError`, and what else `send` raises.

        `behind` is by how many seconds others may overtake it, `also` what must be closed besides this origin.
        """
        value, turn = await self.open(send, behind=behind, also=also)
        turn.end()
        return value

    async def open(
        self, send: Callable[[], Awaitable[Value]], *, behind: float = 0.0, also: tuple[Breaker, ...] = ()
    ) -> tuple[Value, Turn]:
        """As `run`, for a request that goes on once it was answered: the caller ends the turn."""
        due = anyio.current_time() + behind
        repeated = 0
        while True:
            turn = await self._turn(due, (self.breaker, *also))
            try:
                value = await send()
            except ApiError as error:
                turn.end(failed=isinstance(error, Transient) and not isinstance(error, RateLimited))
                self._judge(turn, error)
                pause = self._repetition(error, repeated)
                if pause is None:
                    raise
            except BaseException:
                turn.drop()
                raise
            else:
                self._succeeded(turn)
                return value, turn
            repeated += pause > 0
            await anyio.sleep(pause)

    def throttle(self, others: float) -> float:
        """Begin no request for as many seconds as others were asked to wait; give for how many more this client was."""
        now = anyio.current_time()
        if others > 0:
            self.rate.hold_back(now + others)
        return max(0.0, self._asked_to_wait - now)

    def wake(self) -> None:
        """Let the first in the queue look again."""
        if self._waiting:
            self._waiting[0].event.set()

    async def _turn(self, due: float, breakers: tuple[Breaker, ...]) -> Turn:
        while True:
            probes: list[Breaker] = []
            start: Start | None = None
            try:
                for breaker in breakers:
                    probes += [breaker] if await breaker.admit() else []
                start = await self._queued(due, [breaker for breaker in breakers if breaker not in probes])
            finally:
                for breaker in probes if start is None else ():
                    breaker.abandon()
            if start is not None:
                return Turn(self, start, breakers, probes)

    async def _queued(self, due: float, breakers: list[Breaker]) -> Start | None:
        """Wait for a place and for the rate; None when one of the breakers opened meanwhile."""
        now = anyio.current_time()
        if not self._waiting and self._pause_at(now) == 0 and not any(breaker.is_open for breaker in breakers):
            self.concurrency.start()
            return self.rate.start(now)
        waiter = _Waiter(due, next(self._numbers))
        insort(self._waiting, waiter)
        try:
            while not any(breaker.is_open for breaker in breakers):
                now = anyio.current_time()
                pause = self._pause_at(now) if self._waiting[0] is waiter else float("inf")
                if pause == 0:
                    self.concurrency.start()
                    return self.rate.start(now)
                with anyio.move_on_after(pause):
                    await waiter.event.wait()
                waiter.event = anyio.Event()
            return None
        finally:
            self._waiting.remove(waiter)
            self.wake()

    def _pause_at(self, now: float) -> float:
        """Seconds until the first in the queue may go, as far as is known."""
        return self.rate.wait(now) if self.concurrency.has_room() else float("inf")

    def _succeeded(self, turn: Turn) -> None:
        self.rate.accepted()
        self._budget.earn()
        self._refused_since = None
        for breaker in turn.breakers:
            breaker.succeeded(probe=breaker in turn.probes)

    def _judge(self, turn: Turn, error: ApiError) -> None:
        """Learn from a failure, and say with it which scope is closed because of it."""
        if isinstance(error, RateLimited):
            self._refused(turn, error)
        elif isinstance(error, Transient):
            self.rate.accepted()
            self._failed(turn, error)
        elif isinstance(error, Unauthorized):
            self.breaker.trip(error, probe=self.breaker in turn.probes)
        elif isinstance(error, OutOfCredit):
            for breaker in turn.breakers[1:]:
                breaker.trip(error, probe=breaker in turn.probes)
            self.breaker.succeeded(probe=self.breaker in turn.probes)
        else:
            self._succeeded(turn)
            return
        for breaker in turn.probes:
            breaker.abandon()
        error.closed = next((closed for breaker in turn.breakers if (closed := breaker.closed())), None)
        if error.closed:
            for waiter in self._waiting:
                waiter.event.set()

    def _refused(self, turn: Turn, error: RateLimited) -> None:
        now = anyio.current_time()
        self.rate.refused(turn.start, now, error.retry_after)
        self._asked_to_wait = max(self._asked_to_wait, now + (error.retry_after or 0.0))
        self._refused_since = now if self._refused_since is None else self._refused_since
        if (error.retry_after or 0.0) > LONG or now - self._refused_since > ABSURD:
            self.breaker.trip(error, probe=self.breaker in turn.probes, retry_after=error.retry_after)

    def _failed(self, turn: Turn, error: Transient) -> None:
        probe = self.breaker in turn.probes
        if (error.retry_after or 0.0) > LONG:
            self.breaker.trip(error, probe=probe, retry_after=error.retry_after)
        else:
            self.breaker.failed(error, probe=probe)

    def _repetition(self, error: ApiError, repeated: int) -> float | None:
        """Seconds until the request is made again; None when its failure is the caller's to judge."""
        if error.closed or not isinstance(error, Transient):
            return None
        if isinstance(error, RateLimited):
            return 0.0
        if error.ambiguous or repeated >= len(PAUSES) or not self._budget.spend():
            return None
        return max(error.retry_after or 0.0, PAUSES[repeated] * (0.5 + self._jitter() / 2))
