"""When the answer to a purchase was lost: look for what was bought before anything is bought again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import structlog

from runflowd.api.errors import ApiError, Permanent
from runflowd.core.lifecycle import BatchState, Outcome
from runflowd.core.refusal import Shape
from runflowd.store.batches import doubt_items, mark_submitted, move_batch, set_runs
from runflowd.store.items import items_of_batch
from runflowd.store.purchases import close_purchase, purchases_of_batch
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.api.values import Run
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection
    from runflowd.store.batches import Batch
    from runflowd.store.items import Item
    from runflowd.store.purchases import SubmitRequest

log = structlog.get_logger()

_NEVER = "It may have been bought and it may not; runflowd never buys it a second time by itself"


def _unanswered(request: SubmitRequest) -> str:
    """Why nobody can tell what became of a purchase."""
    if request.body_format.can_be_searched:
        return f"no answer came for this purchase in time. {_NEVER}."
    refused = "it cannot be looked for either, since the service refuses references (`client_ref`)"
    return f"no answer came for this purchase, and {refused}. {_NEVER}."


class Reconciliation:
    """Searches the service's runs by the references that were sent with the purchase."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def adopt_remote(self, batch: Batch, items: list[Item]) -> bool:
        """Take over what the service already has of this batch; False when it shows nothing of it."""
        found: dict[int, Run] = {}
        errors: list[ApiError] = []
        room = anyio.CapacityLimiter(4)

        async def one(item: Item) -> None:
            async with room:
                try:
                    run = None if errors else await self.find_run(item)
                except ApiError as error:
                    errors.append(error)
                else:
                    found.update({item.id: run} if run else {})

        async with anyio.create_task_group() as group:
            for item in items:
                group.start_soon(one, item)
        if errors:
            raise errors[0]
        if not found:
            return False
        await self._context.store.write(lambda connection: self._record(connection, batch, items, found))
        reach("purchase.adopted")
        log.warning("found at the service", action="batch.adopted", rule=batch.rule, batch=batch.id, items=len(found))
        return True

    async def find_run(self, item: Item) -> Run | None:
        """The run that was made for an item; None also where runs cannot be searched."""
        try:
            found = await self._context.service.api.find_runs(item.client_ref)
        except Permanent:
            return None
        return found[0] if found else None

    def _record(self, connection: Connection, batch: Batch, items: list[Item], found: dict[int, Run]) -> None:
        remote = next((run.batch_id for run in found.values() if run.batch_id), None)
        intent = next(p for p in purchases_of_batch(connection, batch.id) if p.outcome is Outcome.INTENDED)
        close_purchase(connection, batch, intent.key, Outcome.ACCEPTED, remote)
        shape = intent.body_format.shape if remote else Shape.RUN
        set_runs(connection, batch, {item.id: run.id for item in items if (run := found.get(item.id))})
        mark_submitted(connection, batch, items, remote, shape, self._context.clock.wall())

    async def mark_unknown(self, batch: Batch, request: SubmitRequest, items: list[Item]) -> None:
        """The key is too old to be trusted and the service shows nothing: stop and ask."""
        await self._mark_batch(batch, items, "OUTCOME_UNKNOWN", _unanswered(request))

    async def mark_item_unknown(self, batch: Batch, request: SubmitRequest, item: Item) -> None:
        """The same for a single run; the other items of the batch go on."""
        await self._mark_item(batch, request, item, "OUTCOME_UNKNOWN", _unanswered(request))

    async def mark_item_conflict(self, batch: Batch, request: SubmitRequest, item: Item, error: ApiError) -> None:
        """As `conflict`, for a single run; the other items of the batch go on."""
        await self._mark_item(batch, request, item, "KEY_CONFLICT", f"{error}. {_NEVER}.")

    async def _mark_item(self, batch: Batch, request: SubmitRequest, item: Item, code: str, reason: str) -> None:
        now = self._context.clock.wall()

        def write(connection: Connection) -> None:
            close_purchase(connection, batch, request.key, Outcome.UNKNOWN)
            doubt_items(connection, batch, [item], code=code, reason=reason, now=now)

        await self._context.store.write(write)
        self._context.stage_events.deliver.notify()
        self._context.log_throttle.error(reason, action="item.unknown", rule=batch.rule, code=code, path=item.path)

    async def mark_conflict(self, batch: Batch, error: ApiError) -> None:
        """Our own key is in use with other bytes: a fault that no new key may paper over."""
        items = await self._context.store.read(lambda connection: items_of_batch(connection, batch.id))
        await self._mark_batch(batch, items, "KEY_CONFLICT", f"{error}. {_NEVER}.")

    async def _mark_batch(self, batch: Batch, items: list[Item], code: str, reason: str) -> None:
        now = self._context.clock.wall()

        def write(connection: Connection) -> None:
            for request in purchases_of_batch(connection, batch.id):
                if request.outcome is Outcome.INTENDED:
                    close_purchase(connection, batch, request.key, Outcome.UNKNOWN)
            doubt_items(connection, batch, items, code=code, reason=reason, now=now)
            move_batch(connection, batch, BatchState.UNKNOWN, code=code, reason=reason, now=now)

        await self._context.store.write(write)
        self._context.stage_events.deliver.notify()
        log.error(reason, action="batch.unknown", rule=batch.rule, batch=batch.id, code=code, items=len(items))
