"""The dispatch loop: claim a sealed batch, upload what it holds, buy it, record the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import structlog

from runflowd import files
from runflowd.api.errors import ApiError, Conflict, NotFound, Rejected
from runflowd.conveyor import LONGEST_NAP, Conveyor
from runflowd.core.backoff import delay
from runflowd.core.lifecycle import BatchState, ItemState, Outcome, Resume, resume
from runflowd.core.recipe import FILE_URL, bind
from runflowd.core.refusal import Shape, Step, after_refusal, first_shape, other
from runflowd.dispatch.lookup import LookUp
from runflowd.dispatch.purchase import BODY_SUBJECT, Purchasing, submit, takes_subject
from runflowd.dispatch.upload import Uploads
from runflowd.incidents import CREDIT, SERVICE
from runflowd.snapshot import from_text
from runflowd.store.batches import (
    Lease,
    claim_batches,
    drop_from_batch,
    move_batch,
    purchases_of_batch,
    release,
    split_batch,
)
from runflowd.store.facts import fact
from runflowd.store.items import items_of_batch
from runflowd.trouble import of_rule, of_service, unexpected

if TYPE_CHECKING:
    from runflowd.context import Context
    from runflowd.core.model import Json, Rule
    from runflowd.store import Connection
    from runflowd.store.batches import Batch, Purchase
    from runflowd.store.items import Item

log = structlog.get_logger()

DOUBTS = 4
"""Unanswered tries of one purchase after which the service is asked what it has, before the next."""


class Dispatch:
    """Stage two. Owns nothing: what it knows is in the store."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._uploads = Uploads(context)
        self._purchasing = Purchasing(context)
        self._look_up = LookUp(context)
        self.conveyor: Conveyor[Batch] = Conveyor(
            "dispatch",
            context,
            context.bells.dispatch,
            slots=context.limits.batches,
            claim=self._claim,
            work=self._work,
            give_back=self._give_back,
            pause=self._pause,
        )

    async def _claim(self, room: int) -> list[Batch]:
        context = self._context
        if context.incidents.closed_for(SERVICE, CREDIT):
            return []
        lease = Lease(context.store.owner, context.clock.wall())
        paused, service = context.incidents.paused_rules(), context.remote.name
        return await context.store.write(
            lambda connection: claim_batches(connection, BatchState.SEALED, service, lease, room, paused)
        )

    async def _pause(self) -> float:
        context = self._context
        closed = context.incidents.closed_for(SERVICE, CREDIT)
        if closed:
            return closed
        service = context.remote.name
        row = await context.store.read(
            lambda connection: connection.one("next_batch", state=BatchState.SEALED, service=service)
        )
        if row is None or row["due_at"] is None:
            return LONGEST_NAP
        return max(0.2, float(row["due_at"]) - context.clock.wall())

    async def _work(self, batch: Batch) -> None:
        items, purchases, snapshot = await self._context.store.read(lambda connection: _load(connection, batch))
        if not items:
            await self._finish_empty(batch)
            return
        rule = from_text(snapshot)
        intent = next((p for p in purchases if p.outcome is Outcome.INTENDED and p.item is None), None)
        action = resume(intent.intended_at if intent else None, self._context.clock.wall())
        if action is Resume.LOOK_UP or (action is Resume.REPEAT and batch.attempts >= DOUBTS):
            if await self._look_up.adopt(batch, items):
                self._context.bells.track.ring()
                return
            if action is Resume.LOOK_UP:
                await self._look_up.give_up(batch, items)
                return
        if intent is None:
            shape = await self._shape(batch, purchases)
            prepared = await self._prepare(rule, items)
            if not prepared:
                await self._finish_empty(batch)
                return
            items = [item for item, _ in prepared]
            if shape is Shape.RUN:
                await self._buy_runs(batch, prepared, purchases)
                return
            intent = await self._purchasing.intend(batch, shape, prepared)
        await self._buy_batch(batch, intent, items, purchases)

    async def _finish_empty(self, batch: Batch) -> None:
        """Nothing is left to buy: every file went away, changed, or failed on its own."""
        now = self._context.clock.wall()
        await self._context.store.write(
            lambda connection: move_batch(connection, batch, BatchState.REFUSED, code="EMPTY", now=now)
        )

    async def _shape(self, batch: Batch, purchases: list[Purchase]) -> Shape:
        confirmed, takes = await self._facts(batch)
        shape = first_shape(confirmed, takes)
        refused = {p.shape for p in purchases if p.outcome is Outcome.REFUSED}
        if any(p.shape == Shape.RUN for p in purchases):
            return Shape.RUN
        if confirmed is None and shape in refused and other(shape) not in refused:
            return other(shape)
        return shape

    async def _facts(self, batch: Batch) -> tuple[str | None, str | None]:
        def look(connection: Connection) -> tuple[str | None, str | None]:
            return (
                fact(connection, batch.service, BODY_SUBJECT),
                fact(connection, batch.service, takes_subject(batch.model)),
            )

        return await self._context.store.read(look)

    async def _prepare(self, rule: Rule, items: list[Item]) -> list[tuple[Item, Json]]:
        """Upload every item's file; give the items that can be sent, each with its final input."""
        prepared: dict[int, Json] = {}
        troubles: list[ApiError] = []

        async def one(item: Item) -> None:
            if troubles:
                return
            try:
                url = await self._uploads.url_of(rule.watch, item)
                prepared[item.id] = bind(item.input, {FILE_URL: url})
            except files.FileTrouble as trouble:
                await self._set_free(item, trouble)
            except Rejected as refusal:
                await self._fail(item, "UPLOAD_REFUSED", str(refusal))
            except ApiError as trouble:
                troubles.append(trouble)

        async with anyio.create_task_group() as group:
            for item in items:
                group.start_soon(one, item)
        if troubles:
            raise troubles[0]
        await self._context.incidents.over(SERVICE)
        return [(item, prepared[item.id]) for item in items if item.id in prepared]

    async def _set_free(self, item: Item, trouble: files.FileTrouble) -> None:
        """The file is no longer what was hashed, or cannot be read now: intake decides about it anew."""
        now = self._context.clock.wall()
        gone = isinstance(trouble, files.Changed)
        state, code = (ItemState.SKIPPED, "CHANGED") if gone else (ItemState.WAITING, "UNREADABLE")
        await self._context.store.write(
            lambda connection: drop_from_batch(connection, item, state, code, str(trouble), now)
        )
        self._context.look(item.rule, item.path)

    async def _fail(self, item: Item, code: str, reason: str) -> None:
        now = self._context.clock.wall()
        await self._context.store.write(
            lambda connection: drop_from_batch(connection, item, ItemState.FAILED, code, reason, now)
        )
        self._context.bells.deliver.ring()
        log.warning(reason, action="item.failed", rule=item.rule, path=item.path, code=code)

    async def _buy_batch(self, batch: Batch, intent: Purchase, items: list[Item], past: list[Purchase]) -> None:
        try:
            created = await self._purchasing.post(batch, intent)
        except Rejected as refusal:
            await self._refused(batch, intent, items, past, refusal)
            return
        await self._purchasing.record_batch(batch, intent, created, items)
        await self._context.incidents.over(SERVICE, CREDIT)
        self._context.bells.track.ring()

    async def _refused(
        self, batch: Batch, intent: Purchase, items: list[Item], past: list[Purchase], refusal: Rejected
    ) -> None:
        confirmed, takes = await self._facts(batch)
        step = after_refusal(
            Shape(intent.shape),
            count=len(items),
            pointed_at=refusal.item_indexes(),
            tried=frozenset(Shape(p.shape) for p in past if p.outcome is Outcome.REFUSED) | {Shape(intent.shape)},
            confirmed=confirmed,
            takes_batches=takes,
            blames_shape=refusal.blames_the_shape(),
            message=str(refusal),
        )
        log.info(str(refusal), action="batch.refused", rule=batch.rule, batch=batch.id, next=step)
        now = self._context.clock.wall()
        if step is Step.SPLIT:
            await self._context.store.write(lambda connection: split_batch(connection, batch, items, now))
        elif step is Step.RUNS:
            await self._buy_runs(batch, await self._prepare_again(batch, items), past)
        else:
            bad = refusal.item_indexes() if step is Step.DROP_ITEMS else frozenset(range(len(items)))
            for index in sorted(bad if step is not Step.OTHER_SHAPE else ()):
                if index < len(items):
                    await self._fail(items[index], refusal.code or "INPUT_REFUSED", str(refusal))
            if step is Step.DROP_ITEMS:
                await self._purchasing.confirm_shape(batch, intent)
            await self._release(batch, due_at=now)

    async def _prepare_again(self, batch: Batch, items: list[Item]) -> list[tuple[Item, Json]]:
        snapshot = await self._context.store.read(lambda connection: _snapshot(connection, batch))
        return await self._prepare(from_text(snapshot), items)

    async def _buy_runs(self, batch: Batch, prepared: list[tuple[Item, Json]], past: list[Purchase]) -> None:
        """One run per item, each with an intent of its own; a repeated turn buys only what is missing."""
        by_item = {p.item: p for p in past if p.item is not None and p.outcome is not Outcome.REFUSED}
        bought: list[Item] = []
        for item, final in prepared:
            purchase = by_item.get(item.id)
            if purchase is None:
                purchase = await self._purchasing.intend(batch, Shape.RUN, [(item, final)], only=item)
            if purchase.outcome is Outcome.ACCEPTED or await self._buy_run(batch, purchase, item):
                bought.append(item)
        if not bought:
            await self._finish_empty(batch)
            return
        now = self._context.clock.wall()
        await self._context.store.write(lambda connection: submit(connection, batch, bought, None, Shape.RUN, now))
        await self._context.incidents.over(SERVICE, CREDIT)
        self._context.bells.track.ring()

    async def _buy_run(self, batch: Batch, purchase: Purchase, item: Item) -> bool:
        try:
            created = await self._purchasing.post(batch, purchase)
        except Rejected as refusal:
            await self._fail(item, refusal.code or "INPUT_REFUSED", str(refusal))
            return False
        await self._purchasing.record_run(batch, purchase, created, item)
        return True

    async def _give_back(self, batch: Batch, error: Exception) -> None:
        context = self._context
        now = context.clock.wall()
        if isinstance(error, Conflict):
            await self._look_up.conflict(batch, error)
            return
        trouble = None
        if isinstance(error, ApiError):
            trouble = of_rule(batch.rule, batch.model, error) or of_service(error)
        pause = delay(batch.attempts + 1, cap=300.0, jitter=context.clock.jitter())
        if trouble:
            await context.incidents.report(trouble)
        else:
            log.error(str(error), action="batch.trouble", rule=batch.rule, batch=batch.id, exc_info=unexpected(error))
        if isinstance(error, NotFound) or trouble is None:
            pause = max(pause, 5.0)
        await self._release(batch, due_at=now + pause, attempts=batch.attempts + 1, reason=str(error))

    async def _release(self, batch: Batch, *, due_at: float, attempts: int = 0, reason: str = "") -> None:
        owner = self._context.store.owner
        await self._context.store.write(
            lambda connection: release(connection, batch, owner, due_at=due_at, attempts=attempts, reason=reason)
        )


def _load(connection: Connection, batch: Batch) -> tuple[list[Item], list[Purchase], str]:
    items = [item for item in items_of_batch(connection, batch.id) if item.state is ItemState.BATCHED]
    return items, purchases_of_batch(connection, batch.id), _snapshot(connection, batch)


def _snapshot(connection: Connection, batch: Batch) -> str:
    row = connection.one("snapshot", id=batch.snapshot)
    assert row is not None, "a batch refers to a snapshot that exists"
    return str(row["text"])
