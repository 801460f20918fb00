"""The dispatch loop: claim a sealed batch, upload what it holds, buy it, record the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from runflowd import files
from runflowd.api.errors import ApiError, Conflict, Rejected, Transient
from runflowd.core.backoff import delay
from runflowd.core.lifecycle import BatchState, ItemState, Outcome, Resume, resume
from runflowd.core.refusal import Shape, Step, after_refusal
from runflowd.core.snapshot import from_text, sends_the_same
from runflowd.core.suspicion import Cause
from runflowd.observability.incidents import CREDIT, SERVICE, STORAGE, rule_scope
from runflowd.pipeline.dispatch.reconciliation import Reconciliation
from runflowd.pipeline.dispatch.refusals import AskAgain, Refusals, message_of
from runflowd.pipeline.dispatch.resending import Resending
from runflowd.pipeline.dispatch.runs import SingleRuns, part
from runflowd.pipeline.dispatch.submitter import Submitter, conflict_is_final
from runflowd.pipeline.dispatch.uploader import Uploader
from runflowd.pipeline.dispatch.zip_payload import of_packing
from runflowd.pipeline.error_scopes import REFUSALS, kept_reason, of_disk, of_refusal, of_rule, of_service, unexpected
from runflowd.pipeline.io_guard import Role
from runflowd.pipeline.rule_fault import RuleAtFault, place_of
from runflowd.pipeline.worker_loop import WorkerLoop
from runflowd.store.batches import mark_submitted, move_batch
from runflowd.store.history import items_held, record_try
from runflowd.store.items import items_of_batch
from runflowd.store.leases import Lease, claim_batches, next_due, release
from runflowd.store.pauses import Paused
from runflowd.store.purchases import close_unreceived, purchases_of_batch
from runflowd.store.unbought import put_back, split_batch
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.core.blame import Verdict
    from runflowd.core.refusal import BodyFormat
    from runflowd.observability.incidents import IncidentReport
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection
    from runflowd.store.batches import Batch
    from runflowd.store.items import Item
    from runflowd.store.purchases import SubmitRequest

log = structlog.get_logger()

MODEL_TRIES = 3
"""Purchases of one batch in a row that fail, while other calls go through, before its model is to blame."""


class Dispatch:
    """Stage two. Owns nothing: what it knows is in the store."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._failures: dict[str, int] = {}
        self._uploader = Uploader(context)
        self._submitter = Submitter(context)
        self._reconciliation = Reconciliation(context)
        self._resending = Resending(context)
        self._refusals = Refusals(context)
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
            give_back=self._give_back,
            pause=self._pause,
            stuck=lambda batch: batch.rule in context.io.slow(*Role),
        )

    async def _claim(self, room: int) -> list[Batch]:
        context = self._context
        if context.incidents.closed_for(SERVICE, CREDIT, STORAGE):
            return []
        lease = Lease(context.store.owner, context.clock.wall())
        paused, probed, service = self._paused(), context.incidents.probed_rules(), context.remote.name
        share = max(1, context.limits.batches - 1)  # one slot stays free for the next rule
        claimed = await context.store.write(
            lambda connection: claim_batches(connection, BatchState.SEALED, service, lease, room, paused, share, probed)
        )
        self._probes |= {batch.rule for batch in claimed} & set(probed)
        return claimed

    def _paused(self) -> list[str]:
        """The rules of which nothing is to be begun: before and during a probe, and while a folder owes an answer."""
        return [*self._context.incidents.paused_rules(), *self._probes, *self._context.io.slow(*Role)]

    async def _pause(self) -> float:
        context = self._context
        service, paused = context.remote.name, self._paused()
        due_at = await context.store.read(lambda connection: next_due(connection, BatchState.SEALED, service, paused))
        return context.idle_timeout(due_at, SERVICE, CREDIT, STORAGE)

    async def _process(self, batch: Batch) -> None:
        try:
            await self._work(batch)
        finally:
            self._probes.discard(batch.rule)
        self._failures.pop(batch.id, None)

    async def _require_space(self, snapshot: str) -> None:
        """Raise NoSpace when results could not be kept. Other trouble with the folder is delivery's to tell."""
        rule = from_text(snapshot)
        await self._context.io.written(rule).read(_require_space, rule.output, self._context.limits.free_space)

    async def _work(self, batch: Batch) -> None:
        items, requests, snapshot = await self._context.store.read(lambda connection: _load(connection, batch))
        if not items:
            await self._finish_empty(batch)
            return
        if self._is_outdated(batch, snapshot) and not any(p.may_be_received for p in requests):
            await self._put_back(batch, requests)
            return
        intent = next((p for p in requests if p.outcome is Outcome.INTENDED and p.item is None), None)
        if intent is not None and await self._submitter.close_outdated(batch, intent, items):
            intent = None
        if intent is not None and await self._is_reconciled(batch, intent, items):
            return
        if intent is None:
            await self._require_space(snapshot)
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

    async def _put_back(self, batch: Batch, requests: list[SubmitRequest]) -> None:
        """Nothing more is bought as the rule was: what is not bought yet is worded as it is now."""
        now = self._context.clock.wall()
        is_parted = any(p.outcome is Outcome.ACCEPTED for p in requests)

        def write(connection: Connection) -> None:
            for request in requests:
                close_unreceived(connection, batch, request.key)
            if is_parted:
                part(connection, batch, now)  # what is left comes by again, in a batch of its own
            else:
                put_back(connection, batch, now)

        await self._context.store.write(write)
        reach("batch.put_back")
        log.info("its rule was edited", action="batch.reworded", rule=batch.rule, batch=batch.id)
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
                await self._release(batch, due_at=self._context.clock.wall())
            else:
                await self._refused(batch, snapshot, intent, items, past, refusal)
            return
        except Conflict as conflict:
            if not conflict_is_final(intent, batch.attempts):
                raise
            await self._reconciliation.mark_conflict(batch, conflict)
            return
        await self._submitter.record_batch(batch, intent, created, items)
        await self._got_through(batch)

    async def _refused(
        self,
        batch: Batch,
        snapshot: str,
        intent: SubmitRequest,
        items: list[Item],
        past: list[SubmitRequest],
        refusal: Rejected,
    ) -> None:
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
                return
            case Step.RUNS:
                await self._submit_runs(batch, snapshot, items, past)
                return
        await self._release(batch, due_at=self._context.clock.wall())

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

    async def _got_through(self, batch: Batch) -> None:
        """A purchase was taken: what paused the service, the credit or its rule is over."""
        incidents, scope = self._context.incidents, rule_scope(batch.rule)
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

    async def _give_back(self, batch: Batch, error: Exception) -> None:
        context = self._context
        now = context.clock.wall()
        if isinstance(error, AskAgain):
            await self._release(batch, due_at=now + error.seconds)
            return
        if isinstance(error, Paused):
            await self._release(batch, due_at=now)  # it is claimed again when the pause is over
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

    async def _release(self, batch: Batch, *, due_at: float) -> None:
        await self._context.store.write(lambda connection: release(connection, batch, due_at=due_at))


def _load(connection: Connection, batch: Batch) -> tuple[list[Item], list[SubmitRequest], str]:
    items = [item for item in items_of_batch(connection, batch.id) if item.state is ItemState.QUEUED]
    return items, purchases_of_batch(connection, batch.id), _snapshot(connection, batch)


def _require_space(output: str, floor: int) -> None:
    try:
        files.require_space(output, floor)
    except files.NoSpace:
        raise
    except files.FileTrouble:
        return


def _snapshot(connection: Connection, batch: Batch) -> str:
    row = connection.one("snapshot", id=batch.snapshot)
    assert row is not None, "a batch refers to a snapshot that exists"
    return str(row["text"])
