"""The dispatch loop: claim a sealed batch, upload what it holds, buy it, record the answer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from runflowd.api.errors import Conflict, Rejected
from runflowd.core.incident_scope import CREDIT, SERVICE, STORAGE, ScopeKind
from runflowd.core.lifecycle import BatchState, Outcome, Resume, resume
from runflowd.core.refusal import Shape, Step
from runflowd.core.snapshot import from_text, sends_the_same
from runflowd.pipeline.dispatch.failed_batches import FailedBatches
from runflowd.pipeline.dispatch.reconciliation import Reconciliation
from runflowd.pipeline.dispatch.refusals import Refusals
from runflowd.pipeline.dispatch.refused_batches import RefusedBatches
from runflowd.pipeline.dispatch.resending import Resending
from runflowd.pipeline.dispatch.result_room import require_room
from runflowd.pipeline.dispatch.runs import SingleRuns, part
from runflowd.pipeline.dispatch.submitter import Submitter, conflict_is_final
from runflowd.pipeline.dispatch.uploader import Uploader
from runflowd.pipeline.error_scopes import REFUSALS
from runflowd.pipeline.io_guard import Role
from runflowd.pipeline.mounted import MountCheck
from runflowd.pipeline.worker_loop import WorkerLoop
from runflowd.store.batches import mark_submitted, move_batch, rule_text
from runflowd.store.leases import Lease, claim_batches, next_due, release
from runflowd.store.purchases import close_unreceived
from runflowd.store.unbought import load_unbought, put_back
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.core.refusal import BodyFormat
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection
    from runflowd.store.batches import Batch
    from runflowd.store.items import Item
    from runflowd.store.purchases import SubmitRequest

log = structlog.get_logger()


class Dispatch:
    """Stage two. Owns nothing: what it knows is in the store."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._uploader = Uploader(context)
        self._submitter = Submitter(context)
        self._reconciliation = Reconciliation(context)
        self._resending = Resending(context)
        self._refusals = Refusals(context)
        self._refused = RefusedBatches(context, self._uploader, self._submitter, self._refusals)
        self._failed = FailedBatches(context)
        self._mounts = MountCheck(context)
        self._runs = SingleRuns(
            context, self._uploader, self._submitter, self._reconciliation, self._resending, self._refusals
        )
        self._probes: set[str] = set()
        self.worker_loop: WorkerLoop[Batch] = WorkerLoop(
            "dispatch",
            context,
            context.stage_events.dispatch,
            slots=context.limits.batches,
            claim=self._claim,
            work=self._process,
            give_back=self._failed.give_back,
            pause=self._pause,
            stuck=lambda batch: batch.rule in context.io.slow(*Role),
        )

    async def _claim(self, room: int) -> list[Batch]:
        context = self._context
        if context.incidents.closed_for(SERVICE, CREDIT, STORAGE):
            return []
        lease = Lease(context.store.owner, context.clock.wall())
        paused, probed, service = self._paused(), context.incidents.probed_rules(), context.service.name
        share = max(1, context.limits.batches - 1)  # one slot stays free for the next rule
        claimed = await context.store.write(
            lambda connection: claim_batches(connection, BatchState.SEALED, service, lease, room, paused, share, probed)
        )
        self._probes |= {batch.rule for batch in claimed} & set(probed)
        return claimed

    def _paused(self) -> list[str]:
        """The rules of which nothing is to be begun: before and during a probe, and while a folder owes an answer."""
        context = self._context
        return [*context.incidents.paused_rules(), *self._probes, *context.io.slow(*Role), *context.duties.unsent]

    async def _pause(self) -> float:
        context = self._context
        service, paused = context.service.name, self._paused()
        due_at = await context.store.read(lambda connection: next_due(connection, BatchState.SEALED, service, paused))
        return context.idle_timeout(due_at, SERVICE, CREDIT, STORAGE)

    async def _process(self, batch: Batch) -> None:
        try:
            await self._work(batch)
        finally:
            self._probes.discard(batch.rule)
        self._failed.forget(batch)

    async def _work(self, batch: Batch) -> None:
        if self._context.duties.shared:
            text = await self._context.store.read(partial(rule_text, batch=batch))
            await self._mounts.require_watched(from_text(text))
        look = partial(load_unbought, batch=batch, money=self._context.money, now=self._context.clock.wall())
        items, requests, snapshot, why = await self._context.store.read(look)
        if not items:
            await self._finish_empty(batch)
            return
        why = "its rule was edited before it was bought" if self._is_outdated(batch, snapshot) else why
        if why and not any(p.may_be_received for p in requests):
            await self._put_back(batch, requests, why)
            return
        intent = next((p for p in requests if p.outcome is Outcome.INTENDED and p.item is None), None)
        if intent is not None and await self._submitter.close_outdated(batch, intent, items):
            intent = None
        if intent is not None and await self._is_reconciled(batch, intent, items):
            return
        if intent is None:
            await require_room(self._context, self._mounts, from_text(snapshot))
            body_format = await self._body_format(batch, requests)
            if body_format.shape is Shape.RUN:
                await self._submit_runs(batch, snapshot, items, requests)
                return
            prepared = await self._uploader.prepare(batch, snapshot, items)
            if not prepared:
                await self._finish_empty(batch)
                return
            items = [one.item for one in prepared]
            intent = await self._submitter.record_intent(batch, body_format, prepared)
        await self._submit_batch(batch, snapshot, intent, items, requests)

    def _is_outdated(self, batch: Batch, snapshot: str) -> bool:
        """Whether the rule of a batch was edited so that its files would be sent otherwise now."""
        rule = self._context.rules.get(batch.rule)
        return rule is not None and not sends_the_same(snapshot, rule)

    async def _put_back(self, batch: Batch, requests: list[SubmitRequest], why: str) -> None:
        """Nothing more is bought as it was sealed: what is not bought yet is worded anew, or held."""
        now = self._context.clock.wall()
        is_parted = any(p.outcome is Outcome.ACCEPTED for p in requests)

        def write(connection: Connection) -> None:
            for request in requests:
                close_unreceived(connection, batch, request.key)
            if is_parted:
                part(connection, batch, now)  # what is left comes by again, in a batch of its own
            else:
                put_back(connection, batch, why, now)

        await self._context.store.write(write)
        reach("batch.put_back")
        log.info(why, action="batch.put_back", rule=batch.rule, batch=batch.id)
        for wake_event in (self._context.stage_events.intake, self._context.stage_events.track):
            wake_event.notify()

    async def _is_reconciled(self, batch: Batch, intent: SubmitRequest, items: list[Item]) -> bool:
        """Whether an intent found open needs no POST: the service has the batch, or nobody can tell.

        A request that may have left this machine is looked for before it is repeated. The key is the
        second line of defence, for a service whose search lags behind.
        """
        action = resume(intent.intended_at, self._context.clock.wall())
        if action is Resume.REPEAT and not intent.ambiguous:
            return False
        # What carries no reference cannot be found, and that proves nothing: there is its key, and then the operator.
        adopted = intent.body_format.can_be_searched and await self._reconciliation.adopt_remote(batch, items)
        await self._context.got_through(SERVICE)
        if adopted:
            self._context.stage_events.track.notify()
            return True
        if action is Resume.LOOK_UP:
            await self._reconciliation.mark_unknown(batch, intent, items)
            return True
        return False

    async def _finish_empty(self, batch: Batch) -> None:
        """Nothing is left to buy: every file went away, changed, or failed on its own."""
        now = self._context.clock.wall()
        await self._context.store.write(
            lambda connection: move_batch(connection, batch, BatchState.REFUSED, code="EMPTY", now=now)
        )

    async def _body_format(self, batch: Batch, requests: list[SubmitRequest]) -> BodyFormat:
        habits = await self._submitter.habits(batch)
        if any(p.body_format.shape is Shape.RUN for p in requests):
            return habits.format_of(Shape.RUN)
        return habits.next_format({p.body_format for p in requests if p.outcome is Outcome.REFUSED})

    async def _submit_batch(
        self, batch: Batch, snapshot: str, intent: SubmitRequest, items: list[Item], past: list[SubmitRequest]
    ) -> None:
        try:
            created = await self._submitter.post(batch, intent)
        except Rejected as refusal:
            if await self._resending.takes_over(batch, intent, items, refusal):
                now = self._context.clock.wall()
                await self._context.store.write(lambda connection: release(connection, batch, due_at=now))
            elif await self._refused.take(batch, snapshot, intent, items, past, refusal) is Step.RUNS:
                await self._submit_runs(batch, snapshot, items, past)
            return
        except Conflict as conflict:
            if not conflict_is_final(intent, batch.attempts):
                raise
            await self._reconciliation.mark_conflict(batch, conflict)
            return
        await self._submitter.record_batch(batch, intent, created, items)
        await self._got_through(batch)

    async def _got_through(self, batch: Batch) -> None:
        """A purchase was taken: what paused the service, the credit or its rule is over."""
        incidents, scope = self._context.incidents, ScopeKind.RULE.of(batch.rule)
        await self._context.got_through(SERVICE, CREDIT)
        for report in incidents.snapshot():
            if report.scope == scope and report.until_result:
                await incidents.report(report)  # that it was taken tells nothing: the next probe is as far away again
            elif report.scope == scope and report.code in REFUSALS:
                await incidents.resolve(scope)
        self._context.stage_events.track.notify()

    async def _submit_runs(self, batch: Batch, snapshot: str, items: list[Item], past: list[SubmitRequest]) -> None:
        bought = await self._runs.submit(batch, snapshot, items, past)
        if not bought:
            await self._finish_empty(batch)
            return
        now = self._context.clock.wall()
        await self._context.store.write(
            lambda connection: mark_submitted(connection, batch, bought, None, Shape.RUN, now)
        )
        await self._got_through(batch)
