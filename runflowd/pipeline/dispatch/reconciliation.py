"""When the answer to a purchase was lost: look for what was bought before anything is bought again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import structlog

from runflowd.api.errors import ApiError, Permanent
from runflowd.core.lifecycle import BatchState, Outcome
from runflowd.core.refusal import Shape
from runflowd.store.batches import doubt_items, move_batch, set_run, submit
from runflowd.store.items import items_of_batch
from runflowd.store.purchases import close_purchase, purchases_of_batch
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.api.values import Run
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection
    from runflowd.store.batches import Batch
    from runflowd.store.items import Item
    from runflowd.store.purchases import Purchase

log = structlog.get_logger()

_NEVER = "It may have been bought and it may not; runflowd never buys it a second time by itself"


def _unanswered(purchase: Purchase) -> str:
    """Why nobody can tell what became of a purchase."""
    if purchase.wording.can_be_searched:
        return f"no answer came for this purchase in time. {_NEVER}."
    refused = "it cannot be looked for either, since the service refuses references (`client_ref`)"
    return f"no answer came for this purchase, and {refused}. {_NEVER}."


class Reconciliation:
    """Searches the service's runs by the references that were sent with the purchase."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def adopt(self, batch: Batch, items: list[Item]) -> bool:
        """Take over what the service already has of this batch; False when it shows nothing of it."""
        found: dict[int, Run] = {}
        troubles: list[ApiError] = []
        room = anyio.CapacityLimiter(4)

        async def one(item: Item) -> None:
            async with room:
                try:
                    run = None if troubles else await self.run_of(item)
                except ApiError as trouble:
                    troubles.append(trouble)
                else:
                    found.update({item.id: run} if run else {})

        async with anyio.create_task_group() as group:
            for item in items:
                group.start_soon(one, item)
        if troubles:
            raise troubles[0]
        if not found:
            return False
        await self._context.store.write(lambda connection: self._record(connection, batch, items, found))
        reach("purchase.adopted")
        log.warning("found at the service", action="batch.adopted", rule=batch.rule, batch=batch.id, items=len(found))
        return True

    async def run_of(self, item: Item) -> Run | None:
        """The run that was made for an item; None also where runs cannot be searched."""
        try:
            found = await self._context.remote.api.find_runs(item.client_ref)
        except Permanent:
            return None
        return found[0] if found else None

    def _record(self, connection: Connection, batch: Batch, items: list[Item], found: dict[int, Run]) -> None:
        remote = next((run.batch_id for run in found.values() if run.batch_id), None)
        intent = next(p for p in purchases_of_batch(connection, batch.id) if p.outcome is Outcome.INTENDED)
        close_purchase(connection, batch, intent.key, Outcome.ACCEPTED, remote)
        shape = intent.wording.shape if remote else Shape.RUN
        for item in items:
            if run := found.get(item.id):
                set_run(connection, batch, item, run.id)
        submit(connection, batch, items, remote, shape, self._context.clock.wall())

    async def give_up(self, batch: Batch, purchase: Purchase, items: list[Item]) -> None:
        """The key is too old to be trusted and the service shows nothing: stop and ask."""
        await self._stop(batch, items, "OUTCOME_UNKNOWN", _unanswered(purchase))

    async def give_up_one(self, batch: Batch, purchase: Purchase, item: Item) -> None:
        """The same for a single run; the other items of the batch go on."""
        await self._stop_one(batch, purchase, item, "OUTCOME_UNKNOWN", _unanswered(purchase))

    async def conflict_of_one(self, batch: Batch, purchase: Purchase, item: Item, error: ApiError) -> None:
        """As `conflict`, for a single run; the other items of the batch go on."""
        await self._stop_one(batch, purchase, item, "KEY_CONFLICT", f"{error}. {_NEVER}.")

    async def _stop_one(self, batch: Batch, purchase: Purchase, item: Item, code: str, reason: str) -> None:
        now = self._context.clock.wall()

        def write(connection: Connection) -> None:
            close_purchase(connection, batch, purchase.key, Outcome.UNKNOWN)
            doubt_items(connection, batch, [item], code=code, reason=reason, now=now)

        await self._context.store.write(write)
        self._context.stage_events.deliver.notify()
        self._context.log_throttle.error(reason, action="item.unknown", rule=batch.rule, code=code, path=item.path)

    async def conflict(self, batch: Batch, error: ApiError) -> None:
        """Our own key is in use with other bytes: a fault that no new key may paper over."""
        items = await self._context.store.read(lambda connection: items_of_batch(connection, batch.id))
        await self._stop(batch, items, "KEY_CONFLICT", f"{error}. {_NEVER}.")

    async def _stop(self, batch: Batch, items: list[Item], code: str, reason: str) -> None:
        now = self._context.clock.wall()

        def write(connection: Connection) -> None:
            for purchase in purchases_of_batch(connection, batch.id):
                if purchase.outcome is Outcome.INTENDED:
                    close_purchase(connection, batch, purchase.key, Outcome.UNKNOWN)
            doubt_items(connection, batch, items, code=code, reason=reason, now=now)
            move_batch(connection, batch, BatchState.UNKNOWN, code=code, reason=reason, now=now)

        await self._context.store.write(write)
        self._context.stage_events.deliver.notify()
        log.error(reason, action="batch.unknown", rule=batch.rule, batch=batch.id, code=code, items=len(items))
