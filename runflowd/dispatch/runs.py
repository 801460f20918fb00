"""For models that take no batches: one run per item, each with an intent, a key and a look-up of its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from runflowd.api.errors import Conflict, OutOfCredit, Rejected
from runflowd.core.lifecycle import ItemState, Outcome, Resume, resume
from runflowd.core.refusal import Shape
from runflowd.dispatch.purchase import conflict_is_final
from runflowd.store.batches import new_batch, set_free, submit
from runflowd.store.items import items_of_batch
from runflowd.store.purchases import purchases_of_batch

if TYPE_CHECKING:
    from runflowd.context import Context
    from runflowd.dispatch.lookup import LookUp
    from runflowd.dispatch.prepare import Preparing
    from runflowd.dispatch.purchase import Purchasing
    from runflowd.dispatch.resending import Resending
    from runflowd.store import Connection
    from runflowd.store.batches import Batch
    from runflowd.store.items import Item
    from runflowd.store.purchases import Purchase


class SingleRuns:
    """Buys the items of one batch run by run."""

    def __init__(
        self, context: Context, preparing: Preparing, purchasing: Purchasing, look_up: LookUp, resending: Resending
    ) -> None:
        self._context = context
        self._resending = resending
        self._preparing = preparing
        self._purchasing = purchasing
        self._look_up = look_up

    async def buy(self, batch: Batch, snapshot: str, items: list[Item], past: list[Purchase]) -> list[Item]:
        """Buy what is not bought yet; give all that is. A repeated turn buys only what is missing.

        What was bought, or may have been, needs its file no more.
        """
        by_item = {p.item: p for p in past if p.outcome in {Outcome.INTENDED, Outcome.ACCEPTED}}
        for item in items:
            purchase = by_item.get(item.id)
            if purchase is not None and await self._purchasing.close_outdated(batch, purchase, [item]):
                del by_item[item.id]
        fresh = await self._preparing.prepare(batch, snapshot, [item for item in items if item.id not in by_item])
        prepared = {one.item.id: one for one in fresh}
        bought: list[Item] = []
        for item in items:
            purchase = by_item.get(item.id)
            if purchase is None and item.id in prepared:
                purchase = await self._purchasing.intend(batch, Shape.RUN, [prepared[item.id]], only=item)
            try:
                if purchase is not None and await self._buy_one(batch, purchase, item):
                    bought.append(item)
            except OutOfCredit:
                await self._context.store.write(partial(part, batch=batch, now=self._context.clock.wall()))
                self._context.bells.track.ring()
                raise
        return bought

    async def _buy_one(self, batch: Batch, purchase: Purchase, item: Item) -> bool:
        if purchase.outcome is Outcome.ACCEPTED:
            return True
        action = resume(purchase.intended_at, self._context.clock.wall())
        if purchase.ambiguous or action is Resume.LOOK_UP:
            if run := await self._look_up.run_of(item):
                await self._purchasing.record_run(batch, purchase, run.id, item)
                return True
            if action is Resume.LOOK_UP:
                await self._look_up.give_up_one(batch, purchase, item)
                return False
        try:
            created = await self._purchasing.post(batch, purchase)
        except Rejected as refusal:
            if not await self._resending.takes_over(batch, purchase, [item], refusal):
                await self._preparing.fail(batch, item, refusal.code or "INPUT_REFUSED", str(refusal))
            return False
        except Conflict as conflict:
            if not conflict_is_final(purchase, batch.attempts):
                raise
            await self._look_up.conflict_of_one(batch, purchase, item, conflict)
            return False
        await self._purchasing.record_run(batch, purchase, created.id, item)
        return True


def part(connection: Connection, batch: Batch, now: float) -> None:
    """Let the runs that are bought go on; the others wait for credit in a batch of their own.

    Not while the outcome of one is open: its key belongs to this batch.
    """
    purchases = purchases_of_batch(connection, batch.id)
    accepted = {p.item for p in purchases if p.outcome is Outcome.ACCEPTED}
    if not accepted or any(p.outcome is Outcome.INTENDED for p in purchases):
        return
    items = [item for item in items_of_batch(connection, batch.id) if item.state is ItemState.BATCHED]
    rest = [item for item in items if item.id not in accepted]
    set_free(connection, batch, rest, now, "the credit ended before it was bought; it waits in a batch of its own")
    submit(connection, batch, [item for item in items if item.id in accepted], None, Shape.RUN, now)
    new_batch(connection, [item.id for item in rest], batch.snapshot, batch.rule, batch.model, batch.service, now)
