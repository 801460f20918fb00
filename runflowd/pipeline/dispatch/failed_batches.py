"""A batch whose work failed: when it is tried again, and what is said about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.api.errors import ApiError, Transient
from runflowd.core.backoff import delay
from runflowd.pipeline.dispatch.refusals import AskAgain
from runflowd.pipeline.dispatch.zip_payload import of_packing
from runflowd.pipeline.error_scopes import kept_reason, of_disk, of_refusal, of_rule, of_service, unexpected
from runflowd.pipeline.mounted import RETRY_AFTER, NotMounted
from runflowd.pipeline.rule_fault import RuleAtFault, place_of
from runflowd.store.history import items_held, record_try
from runflowd.store.hosts import HostUnseen
from runflowd.store.leases import release
from runflowd.store.pauses import Paused

if TYPE_CHECKING:
    from runflowd.observability.incidents import IncidentReport
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection
    from runflowd.store.batches import Batch

MODEL_TRIES = 3
"""Purchases of one batch in a row that fail, while other calls go through, before its model is to blame."""


class FailedBatches:
    """Gives batches back, and counts what failed by itself; a restart begins anew, which costs a few tries."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._failures: dict[str, int] = {}

    def forget(self, batch: Batch) -> None:
        """The work on a batch did not fail."""
        self._failures.pop(batch.id, None)

    async def give_back(self, batch: Batch, error: Exception) -> None:
        """Have a batch tried again, and report what kept it from being bought."""
        context = self._context
        now = context.clock.wall()
        if isinstance(error, AskAgain):
            await self._release(batch, now + error.seconds)
            return
        if isinstance(error, Paused):
            await self._release(batch, now)  # it is claimed again when the pause is over
            return
        if isinstance(error, NotMounted | HostUnseen):
            await self._release(batch, now + RETRY_AFTER)  # another host goes on with it
            return
        report: IncidentReport | None
        if isinstance(error, RuleAtFault):
            report = of_refusal(batch.rule, error)
        elif isinstance(error, ApiError):
            report = of_service(error) or self._of_model(batch, error)
        else:
            report = of_disk(batch.rule, error) or of_packing(batch.rule, error)
        if report:
            # Wider trouble does not count against the batch, however long it lasts.
            tries, pause = batch.attempts, await context.incidents.report(report) - context.clock.now()
        else:
            # A request that failed by itself proves nothing against the batch, and is soon made again.
            single = isinstance(error, Transient)
            tries = batch.attempts if single else batch.attempts + 1
            shortest, failures = (0.0, self._failures.get(batch.id, 1)) if single else (5.0, tries)
            pause = max(shortest, delay(failures, cap=300.0, jitter=context.clock.jitter()))
            code, raised = type(error).__name__, unexpected(error)
            say = context.log_throttle.warning if single else context.log_throttle.error
            say(str(error), action="batch.failed", rule=batch.rule, code=code, batch=batch.id, exc_info=raised)
        wider = report.code if report else ""

        def write(connection: Connection) -> None:
            release(connection, batch, due_at=now + pause, attempts=tries, reason=kept_reason(error, report))
            tries_made = self._failures.get(batch.id, tries)
            record_try(connection, items_held(connection, batch.id), now, tries=tries_made, error=error, wider=wider)

        await context.store.write(write)

    def _of_model(self, batch: Batch, error: ApiError) -> IncidentReport | None:
        """The trouble of a model that is unknown, or that fails again and again while the service does not."""
        if isinstance(error, Transient):
            self._failures[batch.id] = self._failures.get(batch.id, 0) + 1
            if self._failures[batch.id] < MODEL_TRIES:
                return None
        place = place_of(self._context.places.get(batch.rule, {}), ("model",))
        return of_rule(batch.rule, batch.model, place, error)

    async def _release(self, batch: Batch, due_at: float) -> None:
        await self._context.store.write(lambda connection: release(connection, batch, due_at=due_at))
