"""Keeps the incidents about batches in step with the state file: one for each rule, made from what is on record.

So they come back at once after a start or a reload, which forget incidents, and end when the last such batch does.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from runflowd.pipeline.track import elsewhere, overdue
from runflowd.store import reports

if TYPE_CHECKING:
    from runflowd.observability.incidents import IncidentReport
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection

CHECK_INTERVAL = 10.0
"""Seconds between two looks at what is on record."""


class BatchReporter:
    """Opens, renews and ends the incidents about batches that are overdue, and about those at another service."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._due = 0.0

    async def look(self) -> None:
        """Do so now; does nothing when that was done just now."""
        context = self._context
        if context.clock.now() < self._due:
            return
        self._due = context.clock.now() + CHECK_INTERVAL
        find = partial(_found, service=context.service.name, now=context.clock.wall())
        found = {report.scope: report for report in await context.store.read(find)}
        for report in found.values():
            await context.incidents.report(report)
        open_ones = {each.scope for each in context.incidents.snapshot() if each.code in {overdue.CODE, elsewhere.CODE}}
        await context.incidents.resolve(*(open_ones - found.keys()))


def _found(connection: Connection, service: str, now: float) -> list[IncidentReport]:
    """Every report; of several about one scope the one that counts is last."""
    others = reversed(reports.elsewhere(connection, service))
    return [
        *(overdue.overdue_report(each, now) for each in reports.overdue(connection)),
        *(elsewhere.elsewhere_report(each, service) for each in others),
    ]
