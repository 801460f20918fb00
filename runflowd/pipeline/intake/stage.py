"""The intake loop: hints and deadlines in, ready items and sealed batches out."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio
import structlog

from runflowd.core.turns import Work, next_rescan, plan_turn
from runflowd.core.undeliverable import recipe_of
from runflowd.errors import StoreError
from runflowd.files import SharedScans
from runflowd.pipeline.context import MAX_IDLE, Context
from runflowd.pipeline.intake.acceptor import Acceptor
from runflowd.pipeline.intake.batch_sealer import BatchSealer
from runflowd.pipeline.intake.claimed_rules import claim_of, claimed, intake_scopes
from runflowd.pipeline.intake.event_watch import EventWatch
from runflowd.pipeline.intake.hint_drain import HintDrain
from runflowd.pipeline.intake.reconcile import FolderScanner
from runflowd.pipeline.intake.references import update_references
from runflowd.pipeline.intake.refresh import refresh_ready
from runflowd.pipeline.intake.rescan import Rescan, report_timeout
from runflowd.pipeline.intake.watched_rule import Inputs, WatchedRule
from runflowd.pipeline.wake_event import WakeEvent
from runflowd.store.claims import LeaseLost
from runflowd.store.pauses import resume_edited

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyio.abc import TaskGroup

    from runflowd.core.model import Rule
    from runflowd.core.turns import RuleTurn, TurnPlan
    from runflowd.files.scan import Scan
    from runflowd.watch import Watcher

log = structlog.get_logger()

TURN = 1.0
"""Seconds that a turn waits for its rules; whoever takes longer is not waited for."""

STORE_PAUSE = 5.0
"""Seconds until what could not be written or read is tried again."""

REFERENCE_INTERVAL = 5.0
"""Seconds between two checks for a reference file that is not there."""


class Intake:
    """Stage one. What it holds in memory is found again by the next rescan."""

    def __init__(self, context: Context) -> None:
        self._context = context
        scanner = FolderScanner(context)
        self._hint_drain = HintDrain(context, scanner)
        self._rescan = Rescan(context, scanner)
        self._acceptor = Acceptor(context)
        self._sealer = BatchSealer(context)
        self._watched: dict[str, WatchedRule] = {}
        self._events = EventWatch(context, self._watched)
        self._shared_scans: dict[str, SharedScans] = {}
        self._applied: tuple[dict[str, Rule], Mapping[str, int] | None] | None = None
        self._processed = WakeEvent()
        self._stopping = False

    def stop(self) -> None:
        """Take nothing more in."""
        self._stopping = True
        self._context.stage_events.intake.notify()

    @property
    def idle(self) -> bool:
        """Whether every folder that answers was rescanned and no file is waiting to become stable; for `sync`."""
        return self._is_applied() and all(
            ((watched.idle or watched.waits_for_reference) and not self._context.hints.waiting(name))
            or watched.folder_io.timeout_reported
            for name, watched in self._watched.items()
        )

    def _is_applied(self) -> bool:
        """Whether the rules in force are watched, as far as their intake is this host's."""
        if self._applied is None:
            return False
        rules, intake = self._applied
        return rules is self._context.rules and intake == self._context.duties.intake

    @property
    def watcher(self) -> Watcher | None:
        """What listens for events; None where rescans alone find files."""
        return self._events.watcher

    @property
    def missed(self) -> int:
        """Files since the start that no event announced, where one should have."""
        return self._events.missed

    @property
    def waiting(self) -> int:
        """How many files are watched until they are stable."""
        return sum(len(watched.stability) for watched in self._watched.values())

    async def run(self, *, watch: bool = True) -> None:
        """Turn until `stop`; with `watch` off, rescans alone find files."""
        async with AsyncExitStack() as stack, anyio.create_task_group() as group:
            if watch:
                await stack.enter_async_context(self._events.start(group))
            while not self._stopping:
                self._context.heartbeat("intake")
                try:
                    idle_timeout = await self._turn(group)
                except StoreError as error:
                    self._context.log_throttle.error(str(error), action="store.failed", stage="intake")
                    idle_timeout = STORE_PAUSE
                except LeaseLost as lost:
                    log.info(str(lost), action="lease.lost", stage="intake")
                    idle_timeout = TURN
                await self._context.stage_events.intake.wait(idle_timeout)
            group.cancel_scope.cancel()

    async def _turn(self, group: TaskGroup) -> float:
        """Begin what is due, and say for how many seconds nothing more is."""
        if not self._is_applied():
            await self._apply_rules(group)
        await self._hint_drain.prepare(self._watched)
        now = self._context.clock.now()
        self._begin(plan_turn(self._turns(), now), group)
        await self._processed_or_late()
        self._events.report_missed(self._watched.values(), now, group)
        self._context.settling = {name: watched.stability for name, watched in self._watched.items()}
        await self._sealer.turn(list(self._watched.values()))
        has_backlog = any(turn.work is Work.BACKLOG for turn in self._turns().values())
        return 0.0 if has_backlog else self._idle_timeout()

    def _turns(self) -> dict[str, RuleTurn]:
        return {name: watched.turn for name, watched in self._watched.items()}

    def _begin(self, plan: TurnPlan, group: TaskGroup) -> None:
        """Start what was planned: rescans, and what rules do with their hints and stable files."""
        scans = {folder: shared.since(shared.begun) for folder, shared in self._shared_scans.items()}
        for name, watched in self._watched.items():
            before = watched.turn
            watched.turn = before.begun(plan, heard=self._events.hears(before.folder))
            if watched.turn.rescanning and not before.rescanning:
                group.start_soon(self._rescan.run, watched, scans.get(before.folder))
            if name in plan.unheard:
                self._context.hints.discard(name)
        for folder, names in plan.work.items():
            group.start_soon(self._process_in_turn, [self._watched[name] for name in names], scans.get(folder))

    async def _processed_or_late(self) -> None:
        """Wait for the rules at work. One whose folder is slow is not waited for: it notifies when it is done."""
        with anyio.move_on_after(TURN):
            while any(turn.work is Work.BUSY for turn in self._turns().values()):
                await self._processed.wait(TURN)
        for watched in self._watched.values():
            watched.turn = watched.turn.left_behind()
            await report_timeout(self._context, watched)

    async def _process_in_turn(self, watched_rules: list[WatchedRule], scan: Scan | None) -> None:
        """Rules over one folder go one after the other: what the first has read, the others need not read."""
        for watched in watched_rules:
            await self._process(watched, scan)

    async def _process(self, watched: WatchedRule, scan: Scan | None) -> None:
        """Scan where hints of this rule point, and take the files that became stable: a page of each."""
        backlog = False
        try:
            await self._hint_drain.drain(watched, scan)
            ready = await self._accept(watched)
            backlog = bool(ready) or self._context.hints.waiting(watched.rule.name)
        except StoreError as error:
            self._context.log_throttle.error(str(error), action="store.failed", stage="intake")
            await anyio.sleep(STORE_PAUSE)
        except LeaseLost as lost:
            log.info(str(lost), action="lease.lost", stage="intake")
        was_late = watched.turn.work is Work.OVERDUE
        watched.turn = watched.turn.work_ended(backlog=backlog)
        self._processed.notify()
        if was_late:
            self._context.stage_events.intake.notify()

    def _idle_timeout(self) -> float:
        """Seconds until something is due by itself. A rule that is overdue notifies when it is done."""
        now = self._context.clock.now()
        deadlines = [next_rescan(self._turns()), self._context.hints.next_due, self._sealer.deadline]
        for watched in self._watched.values():
            stable_at = None if watched.turn.working else watched.stability.next_deadline()
            if stable_at is not None and watched.text.inputs is Inputs.MISSING:
                # Without its references a rule accepts nothing, however long its files have been stable.
                stable_at = max(stable_at, now + REFERENCE_INTERVAL)
            deadlines += [stable_at, watched.missed_events.due]
        pauses = (deadline - now for deadline in deadlines if deadline is not None)
        return min(MAX_IDLE, max(0.0, min(pauses, default=MAX_IDLE)))

    async def _apply_rules(self, group: TaskGroup) -> None:
        """The configuration was swapped: rules that stayed the same keep what they know.

        How a new one is watched is asked of its folder, which may not answer: then the others go on without it.
        """
        applied = self._context.rules, self._context.duties.intake
        rules, owner = claimed(*applied), self._context.store.owner
        for name in self._watched.keys() - rules.keys():
            del self._watched[name]
            await self._context.incidents.resolve(*intake_scopes(name))  # its next host tells what is wrong there
        for name, rule in rules.items():
            claim, before = claim_of(name, applied[1], owner), self._watched.get(name)
            if before is None or (before.rule, before.claim) != (rule, claim):
                self._watched[name] = WatchedRule.of(rule, self._context.io.watched(rule), claim)
                group.start_soon(self._events.detect, self._watched[name])
        folders = Counter(rule.watch for rule in rules.values())
        self._shared_scans = {
            folder: self._shared_scans.get(folder) or SharedScans() for folder, count in folders.items() if count > 1
        }
        self._context.hints.set_roots({name: rule.watch for name, rule in rules.items()})
        self._applied = applied
        await self._resume_edited(rules)
        self._events.rules_changed()
        with anyio.move_on_after(TURN):
            await self._events.armed()

    async def _resume_edited(self, rules: Mapping[str, Rule]) -> None:
        """A rule that was stopped for what it bought goes on once it buys something else."""
        recipes, now = {name: recipe_of(rule) for name, rule in rules.items()}, self._context.clock.wall()
        for name in await self._context.store.write(lambda connection: resume_edited(connection, recipes, now)):
            log.info("goes on after an edit", action="rule.resumed", rule=name)
            self._context.stage_events.dispatch.notify()

    async def _inputs_ready(self, watched: WatchedRule) -> bool:
        """Whether it is known what files of this rule are to be sent as; waiting inputs are rebuilt if that changed."""
        if not watched.text.snapshot or watched.rule.files:
            await update_references(self._context, watched)
        if watched.text.inputs is Inputs.STALE:
            watched.text = watched.text.rebuilt()  # first: what is found to be outdated meanwhile is rebuilt once more
            await refresh_ready(self._context, watched)
        return watched.text.inputs is not Inputs.MISSING

    async def _accept(self, watched: WatchedRule) -> int:
        if not await self._inputs_ready(watched):
            return 0
        ready = await self._acceptor.due(watched)
        if ready:
            self._sealer.arrived(watched.text.snapshot)
        return ready
