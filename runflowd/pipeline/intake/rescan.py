"""The rescan: a look at everything below a watched folder. It finds what events missed, and what is gone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from runflowd import files
from runflowd.core.chains import makers
from runflowd.core.incident_scope import ScopeKind
from runflowd.core.turns import RescanKind
from runflowd.errors import StoreError
from runflowd.observability.incidents import IncidentReport
from runflowd.pipeline import io_guard
from runflowd.pipeline.intake.folder_pages import Errors, Scanned
from runflowd.pipeline.intake.initial_import import InitialImport
from runflowd.pipeline.intake.left_out import forget_left_out
from runflowd.pipeline.intake.output_places import OUTPUT_INSIDE, outputs_of
from runflowd.pipeline.intake.removal import remove_outputs
from runflowd.pipeline.intake.roots import recognise, strangeness
from runflowd.store.claims import LeaseLost
from runflowd.store.roots import roots_of

if TYPE_CHECKING:
    from runflowd.files.scan import Scan
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.intake.reconcile import FolderScanner
    from runflowd.pipeline.intake.watched_rule import WatchedRule

log = structlog.get_logger()


class Rescan:
    """Rescans one rule at a time or several beside each other; each rule's state says when it is due."""

    def __init__(self, context: Context, scanner: FolderScanner) -> None:
        self._context = context
        self._scanner = scanner
        self._initial_import = InitialImport(context, scanner)

    async def run(self, watched: WatchedRule, scan: Scan | None) -> None:
        """Look at the whole tree once, and say when to do so again; `scan` shares what is read with other rules."""
        started = self._context.clock.now()
        whole = False
        outputs = outputs_of(watched.rule, self._context.rules.values())
        await watched.outputs.update(self._context.io.written(watched.rule), outputs, anew=True)
        try:
            if await self._recognised(watched):
                await self._look(watched, scan)
            whole, watched.inherited = True, watched.inherited and watched.roots is None
        except StoreError as error:
            self._context.log_throttle.error(str(error), action="store.failed", stage="intake")
        except LeaseLost as lost:
            log.info(str(lost), action="lease.lost", stage="intake")
        finally:
            now = self._context.clock.now()
            settled = watched.roots is not None and not watched.roots.strange
            watched.turn = watched.turn.rescan_ended(started, now, watched.interval, settled=settled, whole=whole)
            watched.missed_events.rescanned(now)
            self._context.stage_events.intake.notify()

    async def _look(self, watched: WatchedRule, scan: Scan | None) -> None:
        """Compare all that is there with what is on record."""
        if not watched.turn.admitted:
            # A rule that got another name has taken over by then who its folder was.
            if not (await self._initial_import.admits(watched) and await self._recognised(watched)):
                return
            watched.turn = replace(watched.turn, admitted=True)
        missed_events = watched.missed_events if watched.turn.rescan is RescanKind.AUDIT else None
        scanned = await self._scanner.scan(watched, "", deep=True, scan=scan, missed_events=missed_events)
        if watched.roots is not None:
            await self._report_unread(watched, scanned)
            await self._scanner.forget_vanished(watched, scanned.read)
            await forget_left_out(self._context, watched, scanned.read)
        if watched.roots is not None:
            await remove_outputs(self._context, watched.rule)

    async def _recognised(self, watched: WatchedRule) -> bool:
        """Whether the folder is there and the one that it was; if not, an incident says so."""
        try:
            roots = await recognise(self._context, watched)
        except files.Missing:
            if await self._made_for_results(watched):
                return await self._recognised(watched)
            watched.reset()
            await self._root_missing(watched)
            return False
        except files.FileError as error:
            watched.reset()
            await self._report_unread(watched, Scanned(unreadable=Errors(error, 1)))
            return False
        if "" in roots.strange:
            watched.reset()
            await self._report(strangeness(watched.rule, roots))
            return False
        watched.roots = roots
        return True

    async def _made_for_results(self, watched: WatchedRule) -> bool:
        """Make the folder of a rule that takes what another is still to make; never one that was there before."""
        rule = watched.rule
        if not makers(self._context.rules.values(), rule):
            return False
        if (await self._context.store.read(lambda connection: roots_of(connection, rule.name))).folders:
            return False
        try:
            await watched.folder_io.read(files.ensure_root, rule.watch)
        except files.FileError:
            return False  # the incident of the missing folder says so
        return True

    async def _report_unread(self, watched: WatchedRule, scanned: Scanned) -> None:
        """After a whole rescan: a folder that was not read, or is another one, is an incident; its files wait."""
        rule, roots = watched.rule.name, watched.roots
        scope = ScopeKind.WATCH.of(rule)
        if roots is not None and roots.strange:
            await self._report(strangeness(watched.rule, roots))
        elif (error := scanned.outputs.first) is not None:
            sentence = f"rule {rule}: {error.sentence}{scanned.outputs.others}"
            await self._report(IncidentReport(scope, OUTPUT_INSIDE, sentence, error.advice, slowest=watched.interval))
        elif (error := scanned.unreadable.first) is not None:
            sentence = f"rule {rule}: {error.sentence}{scanned.unreadable.others}"
            remedy = f"{error.advice or 'Mend the folder.'} Its files are taken up by themselves then"
            await self._report(IncidentReport(scope, "FOLDER_UNREADABLE", sentence, remedy, slowest=watched.interval))
        else:
            await self._context.incidents.resolve(scope)

    async def _root_missing(self, watched: WatchedRule) -> None:
        rule = watched.rule
        await self._report(
            IncidentReport(
                ScopeKind.WATCH.of(rule.name),
                "WATCH_MISSING",
                f"rule {rule.name}: the watched folder {rule.watch} is not there",
                "Create it or mount it; nothing that was in it counts as deleted",
                slowest=watched.interval,
            )
        )

    async def _report(self, report: IncidentReport) -> None:
        """Open an incident, or note that it lasts; another trouble with the same folder takes its place at once."""
        incidents = self._context.incidents
        if not self._context.duties.takes_in(report.scope.name):
            return  # another host took the rule over meanwhile
        same = all(each.code == report.code for each in incidents.snapshot() if each.scope == report.scope)
        await (incidents.report if same else incidents.restate)(report)


async def report_timeout(context: Context, watched: WatchedRule) -> None:
    """A folder that does not answer is an incident of its rule; the other rules go on."""
    rule, scope = watched.rule, ScopeKind.WATCH.of(watched.rule.name)
    silent = watched.folder_io.unresponsive_for(context.clock.now()) >= io_guard.RESPONSE_TIMEOUT
    if silent:
        sentence = f"rule {rule.name}: the watched folder {rule.watch} does not answer"
        remedy = "Mend the server or the network behind it; the rule goes on by itself then, the others do meanwhile"
        await context.incidents.report(IncidentReport(scope, "WATCH_TIMEOUT", sentence, remedy))
    elif watched.folder_io.timeout_reported:
        await context.incidents.resolve(scope)
    watched.folder_io.timeout_reported = silent
