"""The loop that three of the stages run: claim what is due, work on it, wait for a wake event or a deadline.

A job that raises is given back to be tried later and never takes the others down. Giving back may
itself fail while the disk is full; it is then repeated, since a row nobody gives back is lost. A job
whose lease was lost is somebody else's by now: it is dropped with a line in the log, and not given back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
import structlog

from runflowd.errors import StoreError
from runflowd.pipeline.context import MAX_IDLE
from runflowd.store.claims import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from runflowd.pipeline.context import Context
    from runflowd.pipeline.wake_event import WakeEvent

log = structlog.get_logger()

Job = TypeVar("Job")

_STORE_PAUSE = 5.0

_IDLE_PAUSE = 1.0
"""Seconds between two looks at whether this host may take anything on."""


class WorkerLoop(Generic[Job]):
    """Runs one stage: at most `slots` jobs at a time, claimed only when there is room for them.

    Up to `ahead` more are claimed in advance and wait for a slot: for small jobs, of which each would
    else need a claim, and so a commit, of its own. A job that is `stuck` is detached: it gives its
    slot and its room to the others, and ends when it ends.
    """

    def __init__(
        self,
        name: str,
        context: Context,
        wake_event: WakeEvent,
        *,
        slots: int,
        ahead: int = 0,
        claim: Callable[[int], Awaitable[Sequence[Job]]],
        work: Callable[[Job], Awaitable[None]],
        give_back: Callable[[Job, Exception], Awaitable[None]],
        pause: Callable[[], Awaitable[float]],
        stuck: Callable[[Job], bool] = lambda _: False,
    ) -> None:
        self.name = name
        self._context = context
        self._wake_event = wake_event
        self._free = slots + ahead
        self._ahead = ahead
        self._slots = anyio.Semaphore(slots, fast_acquire=True)
        self._claim = claim
        self._work = work
        self._give_back = give_back
        self._pause = pause
        self._stuck = stuck
        self._running: dict[object, Job] = {}
        self._detached: set[object] = set()
        self._stopping = False

    def stop(self) -> None:
        """Claim nothing more; `run` returns when the jobs in hand are finished."""
        self._stopping = True
        self._wake_event.notify()

    async def run(self) -> None:
        """Turn until `stop`."""
        async with anyio.create_task_group() as group:
            while not self._stopping:
                self._context.heartbeat(self.name)
                self._detach_stuck()
                jobs, idle_timeout = await self._turn()
                for job in jobs:
                    self._free -= 1
                    group.start_soon(self._run_job, job)
                if not jobs:
                    await self._wake_event.wait(min(idle_timeout, MAX_IDLE))

    async def _turn(self) -> tuple[Sequence[Job], float]:
        try:
            if 2 * self._free <= self._ahead:
                return (), MAX_IDLE  # the next job that ends notifies the wake event
            if not self._context.may_claim():
                return (), _IDLE_PAUSE
            jobs = await self._claim(self._free)
            return jobs, 0.0 if jobs else await self._pause()
        except StoreError as error:
            self._log_store_error(error)
            return (), _STORE_PAUSE

    def _log_store_error(self, error: StoreError) -> None:
        # A disk may be full for a night, and each stage tries every few seconds.
        self._context.log_throttle.error(str(error), action="store.failed", stage=self.name, exc_info=error)

    def _detach_stuck(self) -> None:
        for borrower in [borrower for borrower, job in self._running.items() if self._stuck(job)]:
            self._release_slot(borrower)
            self._detached.add(borrower)
            self._free += 1

    async def _run_job(self, job: Job) -> None:
        borrower = object()
        try:
            await self._slots.acquire()
            self._running[borrower] = job
            try:
                if not self._stopping:  # a job not begun keeps its lease, which the next start ends
                    await self._work(job)
            finally:
                self._release_slot(borrower)
        except Exception as error:  # noqa: BLE001  one job's trouble is not the others'
            await self._end(job, error)
        finally:
            if borrower not in self._detached:
                self._free += 1
            self._detached.discard(borrower)
            self._wake_event.notify()

    def _release_slot(self, borrower: object) -> None:
        """Give up a slot, unless that was done before."""
        if self._running.pop(borrower, None) is not None:
            self._slots.release()

    async def _end(self, job: Job, error: Exception) -> None:
        """Give back what did not work, unless it is not ours any more."""
        lost = _lost(error)
        try:
            if lost is None:
                await self._return(job, error)
        except LeaseLost as found:
            lost = found
        if lost is not None:
            log.info(str(lost), action="lease.lost", stage=self.name)

    async def _return(self, job: Job, error: Exception) -> None:
        while True:
            try:
                return await self._give_back(job, error)
            except StoreError as store_error:
                self._log_store_error(store_error)
                await anyio.sleep(_STORE_PAUSE)


def _lost(error: BaseException) -> LeaseLost | None:
    """The lost lease that ended a job, also where several of its tasks found out at once."""
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(_lost, error.exceptions)), None)
    return error if isinstance(error, LeaseLost) else None
