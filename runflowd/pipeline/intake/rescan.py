"""The rescan: a look at everything below a watched folder. It finds what events missed, and what is gone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from runflowd import files
from runflowd.core.chains import makers
from runflowd.core.incident_scope import ScopeKind
from runflowd.errors import StoreError
from runflowd.observability.incidents import IncidentReport
from runflowd.pipeline import io_guard
from runflowd.pipeline.intake.initial_import import InitialImport
from runflowd.pipeline.intake.left_out import forget_left_out
from runflowd.pipeline.intake.output_places import OUTPUT_INSIDE, outputs_of
from runflowd.pipeline.intake.removal import remove_outputs
from runflowd.pipeline.intake.roots import recognise, strangeness
from runflowd.store.roots import roots_of

if TYPE_CHECKING:
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.intake.reconcile import FolderScanner
    from runflowd.pipeline.intake.rule_state import RuleState

log = structlog.get_logger()


class Rescan:
    """Rescans one rule at a time or several beside each other; each rule's state says when it is due."""

    def __init__(self, context: Context, scanner: FolderScanner) -> None:
        self._context = context
        self._scanner = scanner
        self._initial_import = InitialImport(context, scanner)

    async def run(self, rule_state: RuleState) -> None:
        """Look at the whole tree once, and say when to do so again."""
        started = self._context.clock.now()
        whole = False
        outputs = outputs_of(rule_state.rule, self._context.rules.values())
        await rule_state.outputs.update(self._context.io.written(rule_state.rule), outputs, anew=True)
        try:
            if await self._recognised(rule_state):
                await self._look(rule_state)
            whole = True
        except StoreError as error:
            self._context.log_throttle.error(str(error), action="store.failed", stage="intake")
        finally:
            now = self._context.clock.now()
            settled = rule_state.roots is not None and not rule_state.roots.strange
            rule_state.turn = rule_state.turn.rescan_ended(
                started, now, rule_state.interval, settled=settled, whole=whole
            )
            rule_state.missed_events.rescanned(now)
            self._context.stage_events.intake.notify()

    async def _look(self, rule_state: RuleState) -> None:
        """Compare all that is there with what is on record."""
        if not rule_state.turn.admitted:
            # A rule that got another name has taken over by then who its folder was.
            if not (await self._initial_import.admits(rule_state) and await self._recognised(rule_state)):
                return
            rule_state.turn = replace(rule_state.turn, admitted=True)
        rule_state.outputs_inside = {}
        missed_events = rule_state.missed_events if rule_state.turn.expects_events else None
        seen = await self._scanner.scan(
            rule_state, "", deep=True, since=rule_state.rescan_since, missed_events=missed_events
        )
        if rule_state.roots is not None:
            await self._report_unreadable(rule_state)
            await self._scanner.forget_vanished(rule_state, seen)
            await forget_left_out(self._context, rule_state, seen)
        if rule_state.roots is not None:
            await remove_outputs(self._context, rule_state.rule)

    async def _recognised(self, rule_state: RuleState) -> bool:
        """Whether the folder is there and the one that it was; if not, an incident says so."""
        rule_state.unreadable, rule_state.unreadable_count = None, 0
        try:
            roots = await recognise(self._context, rule_state)
        except files.Missing:
            if await self._made_for_results(rule_state):
                return await self._recognised(rule_state)
            rule_state.reset()
            await self._root_missing(rule_state)
            return False
        except files.FileError as error:
            rule_state.reset()
            rule_state.unreadable, rule_state.unreadable_count = error, 1
            await self._report_unreadable(rule_state)
            return False
        if "" in roots.strange:
            rule_state.reset()
            await self._report(strangeness(rule_state.rule, roots))
            return False
        rule_state.roots = roots
        return True

    async def _made_for_results(self, rule_state: RuleState) -> bool:
        """Make the folder of a rule that takes what another is still to make; never one that was there before."""
        rule = rule_state.rule
        if not makers(self._context.rules.values(), rule):
            return False
        if (await self._context.store.read(lambda connection: roots_of(connection, rule.name))).folders:
            return False
        try:
            await rule_state.folder_io.read(files.ensure_root, rule.watch)
        except files.FileError:
            return False  # the incident of the missing folder says so
        return True

    async def _report_unreadable(self, rule_state: RuleState) -> None:
        """After a whole rescan: a folder that was not read, or is another one, is an incident; its files wait."""
        scope, error = ScopeKind.WATCH.of(rule_state.rule.name), rule_state.unreadable
        if rule_state.roots is not None and rule_state.roots.strange:
            await self._report(strangeness(rule_state.rule, rule_state.roots))
            return
        if rule_state.outputs_inside:
            first = next(iter(rule_state.outputs_inside.values()))
            others = (
                f" (and {len(rule_state.outputs_inside) - 1} more folders)"
                if len(rule_state.outputs_inside) > 1
                else ""
            )
            sentence = f"rule {rule_state.rule.name}: {first}{others}"
            await self._report(
                IncidentReport(scope, OUTPUT_INSIDE, sentence, first.advice, slowest=rule_state.interval)
            )
            return
        if error is None:
            await self._context.incidents.resolve(scope)
            return
        remedy = f"{error.advice or 'Mend the folder.'} Its files are taken up by themselves then"
        others = f" (and {rule_state.unreadable_count - 1} more folders)" if rule_state.unreadable_count > 1 else ""
        sentence = f"rule {rule_state.rule.name}: {error}{others}"
        await self._report(IncidentReport(scope, "FOLDER_UNREADABLE", sentence, remedy, slowest=rule_state.interval))

    async def _root_missing(self, rule_state: RuleState) -> None:
        rule = rule_state.rule
        await self._report(
            IncidentReport(
                ScopeKind.WATCH.of(rule.name),
                "WATCH_MISSING",
                f"rule {rule.name}: the watched folder {rule.watch} is not there",
                "Create it or mount it; nothing that was in it counts as deleted",
                slowest=rule_state.interval,
            )
        )

    async def _report(self, report: IncidentReport) -> None:
        """Open an incident, or note that it lasts; another trouble with the same folder takes its place at once."""
        incidents = self._context.incidents
        same = all(each.code == report.code for each in incidents.snapshot() if each.scope == report.scope)
        await (incidents.report if same else incidents.restate)(report)


async def report_timeout(context: Context, rule_state: RuleState) -> None:
    """A folder that does not answer is an incident of its rule; the other rules go on."""
    rule, scope = rule_state.rule, ScopeKind.WATCH.of(rule_state.rule.name)
    silent = rule_state.folder_io.unresponsive_for(context.clock.now()) >= io_guard.RESPONSE_TIMEOUT
    if silent:
        sentence = f"rule {rule.name}: the watched folder {rule.watch} does not answer"
        remedy = "Mend the server or the network behind it; the rule goes on by itself then, the others do meanwhile"
        await context.incidents.report(IncidentReport(scope, "WATCH_TIMEOUT", sentence, remedy))
    elif rule_state.folder_io.timeout_reported:
        await context.incidents.resolve(scope)
    rule_state.folder_io.timeout_reported = silent
