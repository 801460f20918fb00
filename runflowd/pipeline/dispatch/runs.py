"""For models that take no batches: one run per item, each with an intent, a key and a look-up of its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from runflowd.api.errors import Conflict, NotFound, OutOfCredit, Rejected, Transient
from runflowd.core.lifecycle import ItemState, Outcome, Resume, resume
from runflowd.core.refusal import BodyFormat, Shape
from runflowd.core.suspicion import Cause
from runflowd.pipeline.dispatch.refusals import ASK_AGAIN, AskAgain
from runflowd.pipeline.dispatch.submitter import conflict_is_final
from runflowd.pipeline.rule_fault import RuleAtFault
from runflowd.store.batches import mark_submitted
from runflowd.store.items import items_of_batch
from runflowd.store.pauses import Paused
from runflowd.store.purchases import purchases_of_batch
from runflowd.store.sealing import new_batch
from runflowd.store.unbought import set_free

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.pipeline.context import Context
    from runflowd.pipeline.dispatch.reconciliation import Reconciliation
    from runflowd.pipeline.dispatch.refusals import Refusals
    from runflowd.pipeline.dispatch.resending import Resending
    from runflowd.pipeline.dispatch.submitter import Submitter
    from runflowd.pipeline.dispatch.uploader import Prepared, Uploader
    from runflowd.store import Connection
    from runflowd.store.batches import Batch
    from runflowd.store.items import Item
    from runflowd.store.purchases import SubmitRequest


REPEAT_AFTER = 1.0
"""Seconds until those are asked about again whose purchase failed by itself, while others went through."""

MAX_FAILURES = 3
"""Purchases in a row that fail by themselves, after which a turn buys nothing more."""


class SingleRuns:
    """Buys the items of one batch run by run."""

    def __init__(
        self,
        context: Context,
        uploader: Uploader,
        submitter: Submitter,
        reconciliation: Reconciliation,
        resending: Resending,
        refusals: Refusals,
    ) -> None:
        self._context = context
        self._resending = resending
        self._uploader = uploader
        self._submitter = submitter
        self._reconciliation = reconciliation
        self._refusals = refusals

    async def submit(self, batch: Batch, snapshot: str, items: list[Item], past: list[SubmitRequest]) -> list[Item]:
        """Buy what is not bought yet; give all that is. A repeated turn buys only what is missing.

        What was bought, or may have been, needs its file no more. Raises `RuleAtFault` for a rule that the service
        refuses, `Paused` once it is to buy nothing more, and `AskAgain` for what is to be tried once more.
        """
        try:
            return await self._submit(batch, snapshot, items, past)
        except (OutOfCredit, NotFound, RuleAtFault, Paused, AskAgain):
            await self._context.store.write(partial(part, batch=batch, now=self._context.clock.wall()))
            self._context.stage_events.track.notify()
            raise

    async def _submit(self, batch: Batch, snapshot: str, items: list[Item], past: list[SubmitRequest]) -> list[Item]:
        by_item = {p.item: p for p in past if p.outcome in {Outcome.INTENDED, Outcome.ACCEPTED}}
        for item in items:
            request = by_item.get(item.id)
            if request is not None and await self._submitter.close_outdated(batch, request, [item]):
                del by_item[item.id]
        fresh = await self._uploader.prepare(batch, snapshot, [item for item in items if item.id not in by_item])
        prepared = {one.item.id: one for one in fresh}
        wanted = [item for item in items if item.id in by_item or item.id in prepared]
        bought, doubts = await self._submit_each(batch, snapshot, wanted, by_item, prepared)
        if doubts and not bought:
            raise doubts[0]
        if doubts:
            refused = any(isinstance(doubt, AskAgain) for doubt in doubts)
            raise AskAgain(str(doubts[0]), ASK_AGAIN if refused else REPEAT_AFTER)
        return bought

    async def _submit_each(
        self,
        batch: Batch,
        snapshot: str,
        items: list[Item],
        requests: Mapping[int | None, SubmitRequest],
        prepared: Mapping[int, Prepared],
    ) -> tuple[list[Item], list[AskAgain | Transient]]:
        """What is bought, and what kept the others from it; one request's trouble is not theirs."""
        bought: list[Item] = []
        doubts: list[AskAgain | Transient] = []
        failures = 0
        for item in items:
            try:
                if await self._submit_item(batch, snapshot, item, requests.get(item.id), prepared.get(item.id)):
                    bought.append(item)
                failures = 0
            except AskAgain as doubt:
                doubts.append(doubt)
            except Transient as failure:
                failures += 1
                if failures == MAX_FAILURES:
                    raise
                doubts.append(failure)
        return bought, doubts

    async def _submit_item(
        self, batch: Batch, snapshot: str, item: Item, request: SubmitRequest | None, prepared: Prepared | None
    ) -> bool:
        """Buy one, without the fields that turn out to be refused; False when it failed or waits."""
        body_format = (await self._submitter.habits(batch)).format_of(Shape.RUN)
        while True:
            if request is None:
                assert prepared is not None, "what has no purchase was prepared"
                request = await self._submitter.record_intent(batch, body_format, [prepared], only=item)
            try:
                return await self._submit_run(batch, request, item)
            except Rejected as refusal:
                if await self._resending.takes_over(batch, request, [item], refusal):
                    return False
                other = await self._other_format(batch, snapshot, request, item, refusal)
                if other is None:
                    return False
                if prepared is None:  # what was stored before is refused; it is to be prepared anew
                    raise AskAgain(str(refusal)) from refusal
                body_format, request = other, None

    async def _other_format(
        self, batch: Batch, snapshot: str, request: SubmitRequest, item: Item, refusal: Rejected
    ) -> BodyFormat | None:
        """How to word a refused run instead; None when its item failed or waits."""
        verdict = self._refusals.judge(snapshot, request.body_format, [item], refusal)
        if fields := verdict.fields & self._refusals.in_use(request.body_format):
            return await self._refusals.omit(batch, request.body_format, fields, refusal)
        if verdict.rule is not None:
            raise self._refusals.fault_of_rule(snapshot, verdict.rule, refusal) from refusal
        if verdict.folders:
            await self._refusals.hold_for_folder(batch, item, snapshot, verdict.folders[0], refusal)
            return None
        if not verdict.files:
            habits, bare = await self._submitter.habits(batch), request.body_format.bare
            if habits.format_of(Shape.RUN).omitted - request.body_format.omitted:
                return habits.format_of(Shape.RUN)  # another run has found it out meanwhile
            if request.body_format != bare and habits.takes_batches != "no":
                return bare
            await self._judge_unnamed(batch, item, refusal)
        await self._uploader.fail(batch, item, refusal.code or "INPUT_REFUSED", refusal.in_full)
        return None

    async def _judge_unnamed(self, batch: Batch, item: Item, refusal: Rejected) -> None:
        """Return where a refusal that names nothing is the file's; raise `RuleAtFault` or `AskAgain` else."""
        cause = await self._refusals.cause_of(batch, [item], refusal)
        if cause is Cause.RULE:
            raise self._refusals.fault_unnamed(batch.rule, refusal) from refusal
        if cause is Cause.OPEN:
            raise AskAgain(str(refusal)) from refusal

    async def _submit_run(self, batch: Batch, request: SubmitRequest, item: Item) -> bool:
        """Send one run that is intended. Raises `Rejected` when it is refused."""
        if request.outcome is Outcome.ACCEPTED:
            return True
        action = resume(request.intended_at, self._context.clock.wall())
        if request.ambiguous or action is Resume.LOOK_UP:
            searchable = request.body_format.can_be_searched
            if run := await self._reconciliation.find_run(item) if searchable else None:
                await self._submitter.record_run(batch, request, run.id, item)
                return True
            # No page says that runs know keys: without a reference nobody can tell what became of the first try.
            if action is Resume.LOOK_UP or not searchable:
                await self._reconciliation.mark_item_unknown(batch, request, item)
                return False
        try:
            created = await self._submitter.post(batch, request)
        except Conflict as conflict:
            if not conflict_is_final(request, batch.attempts):
                raise
            await self._reconciliation.mark_item_conflict(batch, request, item, conflict)
            return False
        await self._submitter.record_run(batch, request, created.id, item)
        return True


def part(connection: Connection, batch: Batch, now: float) -> None:
    """Let the runs that are bought go on; the others wait in a batch of their own.

    Not while the outcome of one is open: its key belongs to this batch.
    """
    requests = purchases_of_batch(connection, batch.id)
    accepted = {p.item for p in requests if p.outcome is Outcome.ACCEPTED}
    if not accepted or any(p.outcome is Outcome.INTENDED for p in requests):
        return
    items = [item for item in items_of_batch(connection, batch.id) if item.state is ItemState.QUEUED]
    rest = [item for item in items if item.id not in accepted]
    set_free(connection, batch, rest, now, "it could not be bought with the others; it waits in a batch of its own")
    mark_submitted(connection, batch, [item for item in items if item.id in accepted], None, Shape.RUN, now)
    new_batch(connection, [item.id for item in rest], batch.snapshot, batch.rule, batch.model, batch.service, now)
