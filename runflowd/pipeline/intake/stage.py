"""The intake loop: hints and deadlines in, ready items and sealed batches out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import structlog

from runflowd.core.chains import own_outputs
from runflowd.core.undeliverable import recipe_of
from runflowd.errors import StoreError
from runflowd.files import SharedScans
from runflowd.pipeline.context import MAX_IDLE, Context
from runflowd.pipeline.intake.acceptor import Acceptor
from runflowd.pipeline.intake.batch_sealer import BatchSealer
from runflowd.pipeline.intake.hint_dispatcher import HintDispatcher
from runflowd.pipeline.intake.reconcile import FolderScanner
from runflowd.pipeline.intake.references import update_references
from runflowd.pipeline.intake.refresh import refresh_ready
from runflowd.pipeline.intake.rescan import Rescan, report_timeout
from runflowd.pipeline.intake.rule_state import RuleState
from runflowd.pipeline.wake_event import WakeEvent
from runflowd.store.pauses import resume_edited
from runflowd.system.mounts import follows_events
from runflowd.watch import Watcher

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyio.abc import TaskGroup

    from runflowd.core.model import Rule

log = structlog.get_logger()

TURN = 1.0
"""Seconds that a turn waits for its rules; whoever takes longer is not waited for."""

STORE_PAUSE = 5.0
"""Seconds until what could not be written or read is tried again."""

REFERENCE_INTERVAL = 5.0
"""Seconds between two checks for a reference file that is not there."""

REBUILD_PAUSE = 3600.0
"""Seconds between two times that the watcher is started anew because events were missed: it may be of no use."""


class Intake:
    """Stage one. What it holds in memory is found again by the next rescan."""

    def __init__(self, context: Context) -> None:
        self._context = context
        scanner = FolderScanner(context)
        self._hint_dispatcher = HintDispatcher(context, scanner)
        self._rescan = Rescan(context, scanner)
        self._acceptor = Acceptor(context)
        self._sealer = BatchSealer(context)
        self._rule_states: dict[str, RuleState] = {}
        self._rules: dict[str, Rule] | None = None
        self._processed = WakeEvent()
        self._roots_changed = WakeEvent()
        self._armed = WakeEvent()
        self._auditing = False
        self._stopping = False
        self._rebuild_due = 0.0
        self.watcher: Watcher | None = None
        self.missed = 0
        """Files since the start that no event announced, where one should have."""

    def stop(self) -> None:
        """Take nothing more in."""
        self._stopping = True
        self._context.stage_events.intake.notify()

    @property
    def idle(self) -> bool:
        """Whether every folder that answers was rescanned and no file is waiting to become stable; for `sync`."""
        return (
            self._rules is self._context.rules
            and not self._context.hints
            and all(
                rule_state.idle or rule_state.folder_io.timeout_reported for rule_state in self._rule_states.values()
            )
        )

    @property
    def waiting(self) -> int:
        """How many files are watched until they are stable."""
        return sum(len(rule_state.stability) for rule_state in self._rule_states.values())

    async def run(self, *, watch: bool = True) -> None:
        """Turn until `stop`; with `watch` off, rescans alone find files."""
        async with Watcher() as watcher, anyio.create_task_group() as group:
            if watch:
                self.watcher = watcher
                group.start_soon(self._listen, watcher, group)
                group.start_soon(self._arm, watcher)
            while not self._stopping:
                self._context.heartbeat("intake")
                try:
                    idle_timeout = await self._turn(group)
                except StoreError as error:
                    self._context.log_throttle.error(str(error), action="store.failed", stage="intake")
                    idle_timeout = STORE_PAUSE
                await self._context.stage_events.intake.wait(idle_timeout)
            group.cancel_scope.cancel()

    async def _turn(self, group: TaskGroup) -> float:
        if self._rules is not self._context.rules:
            await self._apply_rules(group)
        await self._hint_dispatcher.dispatch(self._rule_states)
        now = self._context.clock.now()
        due = {
            rule_state.rule.watch
            for rule_state in self._rule_states.values()
            if not rule_state.rescanning and rule_state.rescan_due <= now
        }
        for rule_state in self._rule_states.values():
            if not rule_state.rescanning and rule_state.rule.watch in due:
                rule_state.rescanning = True
                rule_state.rescan_since = rule_state.scans.begun if rule_state.scans else 0
                rule_state.expects_events, rule_state.events_lost, rule_state.rescan_again = (
                    self._expects_events(rule_state),
                    False,
                    False,
                )
                group.start_soon(self._rescan.run, rule_state)
        has_backlog = await self._process_all(group)
        self._report_missed_events(now, group)
        await self._sealer.turn(list(self._rule_states.values()))
        return 0.0 if has_backlog else self._idle_timeout()

    async def _process_all(self, group: TaskGroup) -> bool:
        """Let all rules take their stable files concurrently; say whether there is more to do at once.

        A rule whose folder is slow or unresponsive is not waited for. It notifies the wake event when it is done.
        """
        begun = [rule_state for rule_state in self._rule_states.values() if not rule_state.processing]
        together: dict[str, list[RuleState]] = {}
        for rule_state in begun:
            rule_state.processing = True
            rule_state.hints_since = rule_state.scans.begun if rule_state.scans else 0
            together.setdefault(rule_state.rule.watch, []).append(rule_state)
        for rule_states in together.values():
            group.start_soon(self._process_in_turn, rule_states)
        with anyio.move_on_after(TURN):
            while any(rule_state.processing for rule_state in begun):
                await self._processed.wait(TURN)
        for rule_state in self._rule_states.values():
            rule_state.overdue = rule_state.processing
            await report_timeout(self._context, rule_state)
        return any(rule_state.has_backlog for rule_state in begun if not rule_state.overdue)

    async def _process_in_turn(self, rule_states: list[RuleState]) -> None:
        """Rules over one folder go one after the other: what the first has read, the others need not read."""
        for rule_state in rule_states:
            await self._process(rule_state)

    async def _process(self, rule_state: RuleState) -> None:
        """Scan where hints of this rule point, and take the files that became stable: a page of each."""
        try:
            await self._hint_dispatcher.drain(rule_state)
            ready = await self._accept(rule_state)
            rule_state.has_backlog = bool(ready or rule_state.hints)
        except StoreError as error:
            self._context.log_throttle.error(str(error), action="store.failed", stage="intake")
            await anyio.sleep(STORE_PAUSE)
        rule_state.processing = False
        self._processed.notify()
        if rule_state.overdue:
            self._context.stage_events.intake.notify()

    def _expects_events(self, rule_state: RuleState) -> bool:
        """Whether events tell of every new file of a rule, so that a rescan should find none."""
        watcher = self.watcher
        return (
            watcher is not None
            and rule_state.by_events
            and rule_state.rescanned
            and not (rule_state.events_lost or rule_state.overflowed)
            and rule_state.rule.watch in watcher.watched
            and not any(error.path in {"", rule_state.rule.watch} for error in watcher.problems)
        )

    def _report_missed_events(self, now: float, group: TaskGroup) -> None:
        """Count the files that no event announced, and rebuild the watcher: it may have failed without notice."""
        if self._context.hints:
            return  # what is still to be scanned may be what an event announced
        for rule_state in self._rule_states.values():
            if rule_state.hints or not (count := rule_state.missed_events.expire(now)):
                continue
            self.missed += count
            log.warning(
                "the rescan found files that no event announced; events are only hints, but these should come",
                action="watch.missed",
                rule=rule_state.rule.name,
                count=count,
            )
            if self.watcher is not None and now >= self._rebuild_due:
                self._rebuild_due = now + REBUILD_PAUSE
                group.start_soon(self.watcher.rebuild)

    def _idle_timeout(self) -> float:
        """Seconds until something is due by itself. A rule that is overdue notifies when it is done."""
        deadlines = [rule_state.rescan_due for rule_state in self._rule_states.values() if not rule_state.rescanning]
        for rule_state in self._rule_states.values():
            stable_at = None if rule_state.overdue else rule_state.stability.next_deadline()
            if stable_at is not None:
                # Without its references a rule accepts nothing, however long its files have been stable.
                retry_at = self._context.clock.now() + REFERENCE_INTERVAL
                deadlines.append(stable_at if rule_state.references_ready else max(stable_at, retry_at))
        deadlines += self._hint_dispatcher.deadlines()
        checks = (rule_state.missed_events.due for rule_state in self._rule_states.values())
        deadlines += [due for due in checks if due is not None]
        deadlines += [self._sealer.deadline] if self._sealer.deadline is not None else []
        now = self._context.clock.now()
        return min(MAX_IDLE, max(0.0, min((deadline - now for deadline in deadlines), default=MAX_IDLE)))

    async def _apply_rules(self, group: TaskGroup) -> None:
        """The configuration was swapped: rules that stayed the same keep what they know.

        How a new one is watched is asked of its folder, which may not answer: then the others go on without it.
        """
        rules = self._context.rules
        for name in self._rule_states.keys() - rules.keys():
            del self._rule_states[name]
        for name, rule in rules.items():
            if name not in self._rule_states or self._rule_states[name].rule != rule:
                self._rule_states[name] = RuleState.for_rule(rule, self._context.io.watched(rule))
                group.start_soon(self._detect_events, self._rule_states[name])
        for rule_state in self._rule_states.values():
            shared = [each.scans for each in self._rule_states.values() if each.rule.watch == rule_state.rule.watch]
            rule_state.scans = next(filter(None, shared), SharedScans()) if len(shared) > 1 else None
        self._rules = rules
        await self._resume_edited(rules)
        self._roots_changed.notify()
        with anyio.move_on_after(TURN):
            while self._unarmed():
                await self._armed.wait(TURN)

    def _unarmed(self) -> bool:
        """Whether a rule is not watched yet as it is to be."""
        roots = self._by_events()
        watched = roots if self.watcher is None else self.watcher.roots
        return roots != watched or not all(rule_state.events_known for rule_state in self._rule_states.values())

    def _by_events(self) -> frozenset[str]:
        return frozenset(rule_state.rule.watch for rule_state in self._rule_states.values() if rule_state.by_events)

    async def _detect_events(self, rule_state: RuleState) -> None:
        """Find out whether events tell of changes in a rule's folder; until it answers, it is rescanned."""
        rule_state.by_events = await rule_state.folder_io.read(follows_events, rule_state.rule)
        rule_state.events_known = True
        self._roots_changed.notify()
        self._armed.notify()

    async def _arm(self, watcher: Watcher) -> None:
        """Watch the folders that events tell of, as often as those become others."""
        while True:
            if await self._roots_changed.wait(MAX_IDLE):
                await watcher.set_roots(self._by_events(), ignore=own_outputs(self._context.rules.values()))
                self._armed.notify()

    async def _resume_edited(self, rules: Mapping[str, Rule]) -> None:
        """A rule that was stopped for what it bought goes on once it buys something else."""
        recipes, now = {name: recipe_of(rule) for name, rule in rules.items()}, self._context.clock.wall()
        for name in await self._context.store.write(lambda connection: resume_edited(connection, recipes, now)):
            log.info("goes on after an edit", action="rule.resumed", rule=name)
            self._context.stage_events.dispatch.notify()

    async def _inputs_ready(self, rule_state: RuleState) -> bool:
        """Whether it is known what files of this rule are to be sent as; waiting inputs are rebuilt if that changed."""
        if not rule_state.snapshot or rule_state.rule.files:
            rule_state.references_ready = await update_references(self._context, rule_state)
        if not rule_state.references_ready:
            return False
        if rule_state.inputs_stale:
            rule_state.inputs_stale = False
            await refresh_ready(self._context, rule_state)
        return True

    async def _listen(self, watcher: Watcher, group: TaskGroup) -> None:
        """Turn what the watcher noticed into hints, and let it audit itself meanwhile."""
        while True:
            changes = await watcher.wait(MAX_IDLE)
            self._hint_dispatcher.note(changes, self._rule_states)
            if not self._auditing:
                self._auditing = True
                group.start_soon(self._audit, watcher)
            self._context.stage_events.intake.notify()

    async def _audit(self, watcher: Watcher) -> None:
        """Problems of the watcher are logged. A root that does not answer is waited for here, and by no hint."""
        for problem in await watcher.audit():
            log.warning(problem.message, action="watch.failed", kind=problem.kind, path=problem.path)
        self._auditing = False
        self._context.stage_events.intake.notify()

    async def _accept(self, rule_state: RuleState) -> int:
        if not await self._inputs_ready(rule_state):
            return 0
        ready = await self._acceptor.due(rule_state)
        if ready:
            self._sealer.arrived(rule_state.snapshot)
        return ready
