"""Files that cost more than their rule lets one file cost: they stay ready, and the rest of their rule goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.incident_scope import ScopeKind
from runflowd.core.money import FILE_TOO_EXPENSIVE
from runflowd.core.periods import period_of
from runflowd.observability.incidents import IncidentReport

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runflowd.core.money import Money
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection
    from runflowd.store.connection import Row

REMEDY = "Raise budget.per_file, choose another model, or correct `price`: an edit counts within seconds"


class ParkedFiles:
    """What is parked is tried anew at a start, after an edit, and each day, since prices change."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tried_for: tuple[Money, str] | None = None
        self._reported: dict[str, IncidentReport] = {}

    async def renew(self) -> None:
        """Let what is parked be tried anew, if it is time."""
        money = self._context.money
        today = period_of(self._context.clock.wall(), money.zone)
        if self._tried_for is not None and self._tried_for[0] is money and self._tried_for[1] == today:
            return
        self._tried_for = money, today
        if await self._context.store.read(_parked):
            await self._context.store.write(lambda connection: connection.run("unpark"))

    async def report(self, rows: Iterable[Row]) -> None:
        """Say how many files of which rules are parked, as `_parked` gives them; of the others nothing is."""
        found = {row["rule"]: _report(row) for row in rows if self._context.duties.takes_in(row["rule"])}
        incidents = self._context.incidents
        for rule, report in found.items():
            if self._reported.get(rule) != report:
                await incidents.report(report)
        for rule in self._reported.keys() - found.keys():
            await incidents.resolve(ScopeKind.PER_FILE.of(rule))
        self._reported = {rule: report for rule, report in found.items() if report in incidents.snapshot()}


def _parked(connection: Connection) -> list[Row]:
    return connection.all("parked")


def _report(row: Row) -> IncidentReport:
    count = "1 file is held, which" if row["count"] == 1 else f"{row['count']:,} files are held, of which each"
    sentence = f"rule {row['rule']}: {count} {row['reason']}; the others go on"
    return IncidentReport(ScopeKind.PER_FILE.of(row["rule"]), FILE_TOO_EXPENSIVE, sentence, REMEDY)
