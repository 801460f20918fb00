"""What follows when the service refuses a batch: another body, fewer items, halves, or runs of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from runflowd.core.lifecycle import Outcome
from runflowd.core.refusal import Step, after_refusal
from runflowd.core.suspicion import Cause
from runflowd.pipeline.dispatch.refusals import Refusals, message_of
from runflowd.store.leases import release
from runflowd.store.unbought import split_batch
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.api.errors import Rejected
    from runflowd.core.blame import Verdict
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.dispatch.submitter import Submitter
    from runflowd.pipeline.dispatch.uploader import Uploader
    from runflowd.store.batches import Batch
    from runflowd.store.items import Item
    from runflowd.store.purchases import SubmitRequest

log = structlog.get_logger()


class RefusedBatches:
    """Takes the step that a refusal asks for."""

    def __init__(self, context: Context, uploader: Uploader, submitter: Submitter, refusals: Refusals) -> None:
        self._context = context
        self._uploader = uploader
        self._submitter = submitter
        self._refusals = refusals

    async def take(
        self,
        batch: Batch,
        snapshot: str,
        intent: SubmitRequest,
        items: list[Item],
        past: list[SubmitRequest],
        refusal: Rejected,
    ) -> Step:
        """Take the next step, and give it; `RUNS` is left to the caller. Raises `RuleAtFault`."""
        body_format, refusals = intent.body_format, self._refusals
        verdict = refusals.judge(snapshot, body_format, items, refusal)
        fields = verdict.fields & refusals.in_use(body_format)
        step = after_refusal(
            body_format,
            await self._submitter.habits(batch),
            count=len(items),
            fields=fields,
            holds_rule=verdict.rule is not None,
            pointed_at=verdict.files | verdict.folders.keys(),
            tried={p.body_format for p in past if p.outcome is Outcome.REFUSED} | {body_format},
            blames_shape=refusal.blames_the_shape(),
            message=message_of(refusal),
        )
        log.info(str(refusal), action="batch.refused", rule=batch.rule, batch=batch.id, next=step)
        match step:
            case Step.HOLD_RULE:
                assert verdict.rule is not None
                raise refusals.fault_of_rule(snapshot, verdict.rule, refusal)
            case Step.OMIT_FIELDS:
                await refusals.omit(batch, body_format, fields, refusal)
            case Step.OTHER_SHAPE:
                await self._submitter.note_shape(batch, "")
            case Step.DROP_ITEMS:
                await self._drop(batch, items, snapshot, verdict, refusal)
                await self._submitter.note_shape(batch, body_format.shape)
            case Step.SPLIT:
                await self._split(batch, items, refusal)
        if step not in {Step.SPLIT, Step.RUNS}:
            now = self._context.clock.wall()
            await self._context.store.write(lambda connection: release(connection, batch, due_at=now))
        return step

    async def _drop(self, batch: Batch, items: list[Item], snapshot: str, verdict: Verdict, refusal: Rejected) -> None:
        """Those that are blamed fail, or wait for their folder; the others go on without them."""
        for index, item in enumerate(items):
            if index in verdict.files:
                await self._uploader.fail(batch, item, refusal.code or "INPUT_REFUSED", refusal.in_full)
            elif index in verdict.folders:
                await self._refusals.hold_for_folder(batch, item, snapshot, verdict.folders[index], refusal)

    async def _split(self, batch: Batch, items: list[Item], refusal: Rejected) -> None:
        """Refused without a reason: halved, and once both halves were refused alike, a file of each asked about."""
        cause = await self._refusals.cause_of(batch, items, refusal)
        if cause is Cause.RULE:
            await self._submitter.note_shape(batch, "")  # perhaps it is the body after all
            raise self._refusals.fault_unnamed(batch.rule, refusal)
        size = 1 if cause is Cause.OPEN else None
        now = self._context.clock.wall()
        await self._context.store.write(lambda connection: split_batch(connection, batch, items, now, size))
        reach("batch.split")
