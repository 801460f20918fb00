"""The deliver loop: claim results and failures, carry them to the output folders, judge what goes wrong."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from runflowd.core.backoff import delay
from runflowd.core.incident_scope import SERVICE, ScopeKind
from runflowd.core.lifecycle import ItemState
from runflowd.core.undeliverable import recipe_of
from runflowd.decoder import Ended
from runflowd.pipeline.deliver.delivery import Delivery, Undelivered
from runflowd.pipeline.deliver.due import Claimed, claim_due, next_due
from runflowd.pipeline.deliver.finalizer import Finalizer
from runflowd.pipeline.deliver.output_io import OutputIo, OutputTimeout
from runflowd.pipeline.deliver.receipt_writer import ReceiptWriter
from runflowd.pipeline.deliver.review import Reviewer
from runflowd.pipeline.deliver.stuck_items import StuckItems
from runflowd.pipeline.deliver.verdict import (
    MAX_TRIES,
    code_of,
    in_doubt,
    is_doubtful,
    is_final,
    timeout_report,
    undeliverable,
    wider_report,
    with_run,
)
from runflowd.pipeline.error_scopes import kept_reason, unexpected
from runflowd.pipeline.io_guard import Role
from runflowd.pipeline.mounted import RETRY_AFTER, MountCheck, NotMounted
from runflowd.pipeline.worker_loop import WorkerLoop
from runflowd.store.deliveries import note_doubt, note_undeliverable, release_item
from runflowd.store.history import record_try
from runflowd.store.hosts import HostUnseen
from runflowd.store.leases import Lease
from runflowd.store.moves import move
from runflowd.store.pauses import hold_rule, stop
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.core.model import Rule
    from runflowd.observability.incidents import IncidentReport
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection
    from runflowd.store.items import Item

log = structlog.get_logger()

AHEAD = 16
"""Items claimed beyond those being worked on: each claim is a commit, and a commit is a sync of the disk."""


class Deliver:
    """Stage four. Claims items whose result is known or was judged, failures without a note, and outdated receipts."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._output_io = OutputIo(context.io, context.store, context.clock)
        self._mounts = MountCheck(context)
        self._delivery = Delivery(context, self._output_io)
        self._receipts = ReceiptWriter(context, self._output_io)
        self._finalizer = Finalizer(context, self._output_io, self._receipts)
        self._reviewer = Reviewer(context, self._output_io, self._receipts, self._finalizer)
        self._stuck = StuckItems(context.store)
        self.worker_loop: WorkerLoop[Claimed] = WorkerLoop(
            "deliver",
            context,
            context.stage_events.deliver,
            slots=context.limits.downloads,
            ahead=AHEAD,
            claim=self._claim,
            work=self._work,
            give_back=self._give_back,
            pause=self._pause,
            stuck=lambda claimed: claimed.item.rule in context.io.slow(Role.WRITTEN),
        )

    async def _claim(self, room: int) -> list[Claimed]:
        context = self._context
        deliveries = not context.incidents.closed_for(SERVICE)
        lease = Lease(context.store.owner, context.clock.wall())
        for rule in context.io.unresponsive(Role.WRITTEN):
            await context.incidents.report(timeout_report(OutputTimeout(rule), rule))
        take = partial(claim_due, lease=lease, room=room, paused=self._left_alone(), deliveries=deliveries)
        return await context.store.write(take)

    async def _pause(self) -> float:
        due_at = await self._context.store.read(partial(next_due, paused=self._left_alone()))
        return self._context.idle_timeout(due_at, SERVICE)

    def _left_alone(self) -> list[str]:
        """The rules for which nothing is claimed now."""
        context = self._context
        stopped, slow = context.incidents.paused_rules(buying=False), context.io.slow(Role.WRITTEN)
        return [*stopped, *slow, *context.duties.undelivered]

    async def _work(self, claimed: Claimed) -> None:
        item, rule = claimed.item, self._rule_of(claimed)
        if rule is not None:
            await self._mounts.require_outputs(rule)
        if claimed.receipt and rule is not None:
            await self._receipts.renew(item, rule)
        elif claimed.verdict and rule is not None:
            await self._reviewer.carry_out(item, rule, claimed.done)
        elif rule is None or item.state is not ItemState.DOWNLOADING:
            await self._finalizer.report_failure(item, rule)
        else:
            item = await self._reviewer.before_delivery(item, rule)
            placed = await self._delivery.bring(item, rule, claimed.done)
            await self._finalizer.succeed(item, rule, placed)
            await self._context.got_through(SERVICE, ScopeKind.DOWNLOAD.of(item.rule))
        incidents = self._context.incidents
        purchases = {report.scope for report in incidents.snapshot() if report.until_result}
        ended = {ScopeKind.RULE.of(item.rule)} - purchases
        if await self._stuck.none_left(item):
            ended.add(ScopeKind.OUTPUT.of(item.rule))
        await incidents.resolve(*ended)

    def _rule_of(self, claimed: Claimed) -> Rule | None:
        """The rule as it was when the item was accepted; the present one for a file never accepted."""
        if claimed.item.snapshot is None:
            return self._context.rules.get(claimed.item.rule)
        return claimed.sealed_rule

    async def _give_back(self, claimed: Claimed, raised: Exception) -> None:
        context, item = self._context, claimed.item
        error: Exception = raised.first_error if isinstance(raised, Undelivered) else raised
        if isinstance(error, Ended):
            return  # nothing was learnt; the next start takes it up, as after a crash
        if isinstance(error, NotMounted | HostUnseen):
            await self._leave(item)
            return
        trouble = wider_report(item, error)
        if trouble:
            if trouble.scope.kind is ScopeKind.OUTPUT:
                self._stuck.add(item)
            # Wider trouble does not count against the item, however long it lasts.
            tries, pause = item.attempts, await context.incidents.report(trouble) - context.clock.now()
        else:
            tries = item.attempts + 1
            pause = delay(tries, cap=300.0, jitter=context.clock.jitter())
            final = is_final(error) or tries >= MAX_TRIES
            if final and unexpected(error) is None and item.state is ItemState.DOWNLOADING:
                await self._give_up(claimed, error, with_run(str(raised), await self._delivery.origin(item)))
                return
            context.log_throttle.warning(
                str(error),
                action="delivery.failed",
                rule=item.rule,
                code=type(error).__name__,
                path=item.path,
                tries=tries,
                exc_info=unexpected(error),
            )
        now = context.clock.wall()
        reason = item.failure if item.remark or item.state is not ItemState.DOWNLOADING else kept_reason(error, trouble)
        wider = trouble.code if trouble else ""
        doubtful = trouble is None and is_doubtful(error) and item.state is ItemState.DOWNLOADING

        def write(connection: Connection) -> str:
            code = item.failure_code
            release_item(connection, item, due_at=now + pause, attempts=tries, code=code, reason=reason)
            record_try(connection, [item.id], now, tries=tries, error=error, wider=wider)
            return self._hold_rule(connection, claimed, in_doubt(item, tries, str(raised)), now) if doubtful else ""

        if held := await context.store.write(write):
            log.warning(held, action="rule.held", rule=item.rule, path=item.path)
        if doubtful:
            reach("result.doubted")

    async def _leave(self, item: Item) -> None:
        """Another host goes on with it."""
        due_at, kept = self._context.clock.wall() + RETRY_AFTER, {"code": item.failure_code, "reason": item.failure}
        await self._context.store.write(
            lambda connection: release_item(connection, item, due_at=due_at, attempts=item.attempts, **kept)
        )

    async def _give_up(self, claimed: Claimed, error: Exception, reason: str) -> None:
        """Paid, and not to be had: kept with its receipt, never bought again unless the operator says so."""
        item, code, now = claimed.item, code_of(error), self._context.clock.wall()

        def write(connection: Connection) -> IncidentReport | None:
            move(
                connection,
                item.id,
                item.state,
                ItemState.OUTCOME_UNKNOWN,
                by=item.claim,
                code=code,
                reason=reason,
                now=now,
            )
            return self._stop_rule(connection, claimed, code, reason, now)

        stopped = await self._context.store.write(write)
        reach("result.lost")
        self._context.stage_events.deliver.notify()
        self._context.log_throttle.error(reason, action="item.unknown", rule=item.rule, code=code, path=item.path)
        if stopped:
            log.error(stopped.message, action="rule.paused", rule=item.rule, code=stopped.code, remedy=stopped.remedy)

    def _stop_rule(
        self, connection: Connection, claimed: Claimed, code: str, reason: str, now: float
    ) -> IncidentReport | None:
        """Buy no more of what cannot be delivered, unless others came through, or the rule was edited meanwhile.

        Return the report about it; None where there is none, or where it is open already.
        """
        item, recipe = claimed.item, self._recipe_bought(claimed)
        if not recipe or not note_undeliverable(connection, self._context.service.name, recipe, item.id):
            return None
        if not self._is_in_force(item, recipe):
            return None
        report = undeliverable(item, code, reason)
        known = connection.one("incident_of", scope=str(report.scope)) is not None
        stop(connection, item.rule, report.message, recipe, now)
        self._context.incidents.record(connection, report)
        return None if known else report

    def _hold_rule(self, connection: Connection, claimed: Claimed, reason: str, now: float) -> str:
        """Buy no more before it is known whether this can be delivered, on the same terms; give the reason if new."""
        item, recipe = claimed.item, self._recipe_bought(claimed)
        if not recipe or not note_doubt(connection, self._context.service.name, recipe, item.id):
            return ""
        if not self._is_in_force(item, recipe):
            return ""
        return reason if hold_rule(connection, item.rule, reason, recipe, now) else ""

    def _recipe_bought(self, claimed: Claimed) -> str:
        """The recipe that an item was paid for by; "" where it shares a result, which another was paid for."""
        sealed = self._rule_of(claimed)
        return recipe_of(sealed) if claimed.item.batch is not None and sealed is not None else ""

    def _is_in_force(self, item: Item, recipe: str) -> bool:
        """Whether the rule of an item still buys by this recipe."""
        present = self._context.rules.get(item.rule)
        return present is not None and recipe_of(present) == recipe
