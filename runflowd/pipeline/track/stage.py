"""The track loop: poll each batch that was bought, and record what became of its items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from runflowd.api.errors import ApiError, Permanent, Transient
from runflowd.api.values import Status
from runflowd.core.backoff import delay, poll_delay
from runflowd.core.incident_scope import SERVICE, ScopeKind
from runflowd.core.lifecycle import BatchState, ItemState
from runflowd.core.refusal import Shape
from runflowd.core.snapshot import sends_the_same
from runflowd.pipeline.error_scopes import kept_reason, of_failed_items, of_service, unexpected
from runflowd.pipeline.rule_fault import fault_of_rule
from runflowd.pipeline.track.above_estimate import report_prices
from runflowd.pipeline.track.answers import is_new, read_items, read_runs, record_answers, wanted, was_unreadable
from runflowd.pipeline.track.batch_reporter import BatchReporter
from runflowd.pipeline.track.invalid import take_back, was_invalid
from runflowd.pipeline.track.poll_schedule import PollSchedule, usual_key
from runflowd.pipeline.worker_loop import WorkerLoop
from runflowd.store.batches import Batch, doubt_items, end_batch, move_batch
from runflowd.store.history import items_held, record_try
from runflowd.store.items import Item, items_of_batch
from runflowd.store.leases import Lease, claim_batches, next_due, release
from runflowd.store.ledger import Stated, settle_rest
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.api.values import Batch as SeenBatch
    from runflowd.api.values import Item as Answer
    from runflowd.core.error_places import Blame
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection

log = structlog.get_logger()

LOOKS_FOR_MISSING = 5
"""Looks at an ended batch, or at one the service does not know, before its silence is believed."""

POLLS = 8
"""Batches looked at at once."""


def may_go_again(item: Item, answer: Answer) -> bool:
    """Whether a failure may be none of the item's own."""
    return was_unreadable(item, answer) or was_invalid(answer)


def _stated(seen: SeenBatch) -> Stated | None:
    """What a batch cost in all, where it says so."""
    return None if seen.cost is None else Stated(seen.cost, seen.currency)


class Track:
    """Stage three. A callback only makes a batch due; what counts is what a poll then says."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._schedule = PollSchedule(context)
        self._reporter = BatchReporter(context)
        self.worker_loop: WorkerLoop[Batch] = WorkerLoop(
            "track",
            context,
            context.stage_events.track,
            slots=POLLS,
            claim=self._claim,
            work=self._work,
            give_back=self._give_back,
            pause=self._pause,
        )

    async def _claim(self, room: int) -> list[Batch]:
        context = self._context
        await self._reporter.look()
        if context.incidents.closed_for(SERVICE):
            return []
        lease = Lease(context.store.owner, context.clock.wall())
        service = context.service.name
        return await context.store.write(
            lambda connection: claim_batches(connection, BatchState.SUBMITTED, service, lease, room)
        )

    async def _pause(self) -> float:
        service = self._context.service.name
        due_at = await self._context.store.read(lambda connection: next_due(connection, BatchState.SUBMITTED, service))
        return self._context.idle_timeout(due_at, SERVICE)

    async def _work(self, batch: Batch) -> None:
        items = await self._context.store.read(lambda connection: items_of_batch(connection, batch.id))
        waiting = [item for item in items if item.state is ItemState.SUBMITTED]
        if batch.shape == Shape.RUN or batch.remote_id is None:
            await self._poll_runs(batch, waiting)
        else:
            await self._poll_batch(batch, batch.remote_id, items, waiting)
        await self._context.got_through(SERVICE)

    async def _poll_batch(self, batch: Batch, remote_id: str, items: list[Item], waiting: list[Item]) -> None:
        seen = await self._context.service.api.batch(remote_id)
        matched, error = await read_items(self._context.service.api, remote_id, items, wanted(seen, items, waiting))
        new = ((item, answer) for item, answer in matched.pairs if is_new(item, answer))
        # What is to be sent again waits for the end of its batch: until then a failure may still turn into a result.
        results = [(item, answer) for item, answer in new if seen.ended or not may_go_again(item, answer)]
        await self._record(batch, results)
        if error:
            raise error
        recorded = {item.id for item, _ in results}
        left = [item for item in waiting if item.id not in recorded]
        if not left:  # whatever the batch says of itself
            await self._end(batch, seen.word, _stated(seen), [])
        elif not seen.ended:
            await self._schedule.wait_more(batch, seen.word, yielding=len(left) < len(items))
        else:
            if matched.strange:
                log.warning("unknown items", action="batch.unknown_items", batch=batch.id, count=len(matched.strange))
            await self._look_for_missing(batch, seen, [item for item in matched.missing if item in left], left)

    async def _look_for_missing(self, batch: Batch, seen: SeenBatch, silent: list[Item], left: list[Item]) -> None:
        """The batch has ended, and `left` have not, or are not listed at all, as `silent`."""
        if batch.attempts < LOOKS_FOR_MISSING:
            await self._schedule.wait_more(batch, seen.word, attempts=batch.attempts + 1)
        elif len(silent) < len(left):
            await self._schedule.wait_more(batch, seen.word, attempts=batch.attempts)
        else:
            await self._end(batch, seen.word, _stated(seen), silent)

    async def _poll_runs(self, batch: Batch, waiting: list[Item]) -> None:
        results, lost, trouble = await read_runs(self._context.service.api, waiting)
        reach("results.read")
        await self._record(batch, results)
        if trouble:
            raise trouble
        if lost and batch.attempts < LOOKS_FOR_MISSING:
            await self._schedule.wait_more(batch, "running", attempts=batch.attempts + 1)
        elif len(results) + len(lost) < len(waiting):
            left = len(waiting) - len(results)
            await self._schedule.wait_more(batch, "running", attempts=batch.attempts, yielding=left < batch.items)
        elif lost:
            await self._mark_unknown(batch, lost[0])
        else:
            await self._end(batch, "ended", None, [])

    async def _record(self, batch: Batch, results: list[tuple[Item, Answer]]) -> None:
        """Write down what became of items, in one transaction; the answers are not read again."""
        if not results:
            return
        now = self._context.clock.wall()

        def write(connection: Connection) -> tuple[int, Blame | None]:
            left, fault = take_back(connection, batch, results, now)
            return record_answers(connection, batch, left, now), fault

        resent, fault = await self._context.store.write(write)
        if resent:
            reach("upload.resent")
            self._context.stage_events.dispatch.notify()
        reach("results.recorded")
        await report_prices(self._context, batch, results)
        await self._judge_rule(batch, fault, any(answer.status is Status.SUCCEEDED for _, answer in results))
        self._context.stage_events.intake.notify()
        self._context.stage_events.deliver.notify()
        failed = sum(answer.status is not Status.SUCCEEDED for _, answer in results)
        log.info("results", action="batch.results", rule=batch.rule, batch=batch.id, items=len(results), failed=failed)

    async def _judge_rule(self, batch: Batch, blame: Blame | None, succeeded: bool) -> None:
        """Buy nothing more of a rule whose items are refused for what it says, until a probe has a result."""
        context, rule = self._context, self._context.rules.get(batch.rule)
        scope = ScopeKind.RULE.of(batch.rule)
        waits = any(report.scope == scope and report.until_result for report in context.incidents.snapshot())
        if rule is None or not (blame or (succeeded and waits)):
            return
        row = await context.store.read(lambda connection: connection.one("snapshot", id=batch.snapshot))
        if row is None or not sends_the_same(row["text"], rule):
            return  # that was the rule before an edit
        if blame:
            fault = fault_of_rule(rule, context.places.get(rule.name, {}), blame, "")
            await context.incidents.report(of_failed_items(rule.name, fault))
        else:
            await context.incidents.resolve(scope)
            context.stage_events.dispatch.notify()

    async def _end(self, batch: Batch, word: str, stated: Stated | None, silent: list[Item]) -> None:
        now = self._context.clock.wall()
        duration = max(0.0, now - (batch.submitted_at or now))
        learnt = await self._schedule.learn(batch, duration)

        def write(connection: Connection) -> None:
            reason = "the service does not list this item of its batch, though the batch has ended"
            doubt_items(connection, batch, silent, code="RESULT_MISSING", reason=reason, now=now)
            settle_rest(connection, batch, stated, now)
            end_batch(connection, batch, status=word, cost=stated.cost if stated else None, now=now)
            if learnt is not None:
                key, value = usual_key(batch.model), f"{learnt:.3f}"
                connection.run("save_value", service=batch.service, key=key, value=value)

        await self._context.store.write(write)
        reach("batch.ended")
        self._context.stage_events.deliver.notify()
        seconds = round(duration, 1)
        log.info("batch ended", action="batch.ended", rule=batch.rule, batch=batch.id, status=word, seconds=seconds)

    async def _give_back(self, batch: Batch, error: Exception) -> None:
        context = self._context
        if isinstance(error, Permanent) and batch.attempts + 1 >= LOOKS_FOR_MISSING:
            await self._mark_unknown(batch, str(error))
            return
        report = of_service(error) if isinstance(error, ApiError) else None
        if report:
            # Wider trouble does not count as a look, however long it lasts.
            looks, pause = batch.attempts, await context.incidents.report(report) - context.clock.now()
        else:
            # A request that failed by itself proves nothing against the batch: the next look is as if it had none.
            single, base = isinstance(error, Transient), max(context.service.poll, 1.0)
            looks = batch.attempts if single else batch.attempts + 1
            pause = delay(looks, base=base, cap=300.0, jitter=context.clock.jitter())
            if single:
                age = max(0.0, context.clock.wall() - (batch.submitted_at or context.clock.wall()))
                pause = poll_delay(age, None, base, jitter=context.clock.jitter())
            code, raised = type(error).__name__, unexpected(error)
            context.log_throttle.warning(
                str(error), action="batch.failed", rule=batch.rule, code=code, batch=batch.id, exc_info=raised
            )
        now, wider = context.clock.wall(), report.code if report else ""

        def write(connection: Connection) -> None:
            stalled = batch.stalled_at
            reason = kept_reason(error, report)
            release(connection, batch, due_at=now + pause, attempts=looks, reason=reason, stalled_at=stalled)
            record_try(
                connection, items_held(connection, batch.id), now, tries=batch.attempts + 1, error=error, wider=wider
            )

        await context.store.write(write)

    async def _mark_unknown(self, batch: Batch, error: str) -> None:
        """The service does not know what it sold: purged, or another organization's key. Stop and ask."""
        now = self._context.clock.wall()
        reason = f"{error}. It was bought, so it is never bought again by itself"

        def write(connection: Connection) -> None:
            items = [item for item in items_of_batch(connection, batch.id) if item.state is ItemState.SUBMITTED]
            doubt_items(connection, batch, items, code="NOT_FOUND", reason=reason, now=now)
            move_batch(connection, batch, BatchState.UNKNOWN, code="NOT_FOUND", reason=reason, now=now)

        await self._context.store.write(write)
        self._context.stage_events.deliver.notify()
        log.error(reason, action="batch.unknown", rule=batch.rule, batch=batch.id)
