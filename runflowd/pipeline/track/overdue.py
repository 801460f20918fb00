"""Reports of batches that outlived their deadline: one incident for each rule, made from what is on record.

So it comes back at once after a start or a reload, which forget incidents, and ends when the last such batch does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.incident_scope import ScopeKind
from runflowd.core.printable import short_id
from runflowd.core.units import duration_text
from runflowd.observability.incidents import IncidentReport
from runflowd.store.reports import overdue

if TYPE_CHECKING:
    from runflowd.pipeline.context import Context
    from runflowd.store.reports import Overdue

CODE = "BATCH_OVERDUE"

CHECK_INTERVAL = 10.0
"""Seconds between two looks at what is overdue."""


class OverdueReporter:
    """Keeps the incidents about overdue batches in step with the state file."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._due = 0.0

    async def look(self) -> None:
        """Open, renew and end incidents; does nothing when that was done just now."""
        context = self._context
        if context.clock.now() < self._due:
            return
        self._due = context.clock.now() + CHECK_INTERVAL
        found = [overdue_report(each, context.clock.wall()) for each in await context.store.read(overdue)]
        for report in found:
            await context.incidents.report(report)
        known = {report.scope for report in found}
        open_ones = [each.scope for each in context.incidents.snapshot() if each.code == CODE]
        await context.incidents.resolve(*(scope for scope in open_ones if scope not in known))


def overdue_report(found: Overdue, now: float) -> IncidentReport:
    """What is wrong with the overdue batches of a rule; it pauses nothing."""
    one = found.batches == 1
    batches = "1 batch is" if one else f"{found.batches} batches are"
    files = "1 file waits" if found.files == 1 else f"{found.files} files wait"
    age = duration_text(max(0, round((now - found.since) / 60) * 60))
    named = f"batch {short_id(found.oldest)}{f', {found.remote} at the service' if found.remote else ''}"
    message = (
        f"rule {found.rule}: {batches} past the deadline,{'' if one else ' the oldest'} sent {age} ago "
        f"({named}); {files} for {'it' if one else 'them'}"
    )
    remedy = (
        "Nothing is bought again by itself, and what still comes is delivered. Ask the service about that batch; "
        f"`runflowd list --rule {found.rule} --state processing` names the files. If the model takes this long, say so "
        "with `batch: {deadline: 6h}` in the rule"
    )
    return IncidentReport(ScopeKind.BATCH.of(found.rule), CODE, message, remedy)
