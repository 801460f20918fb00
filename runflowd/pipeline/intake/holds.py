"""What limits of money hold: said once per rule as an incident, tried again now and then, and over by itself."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from runflowd.core.incident_scope import ScopeKind
from runflowd.observability.incidents import IncidentReport

if TYPE_CHECKING:
    from collections.abc import Collection

    from runflowd.core.money import Hold, Money, Price
    from runflowd.pipeline.context import Context

RETRY_INTERVAL = 5.0
"""Seconds until files that are held are held against their limits once more: something may have been settled."""


class Holds:
    """The rules whose ready files are held now. What it forgets in a crash is found by the next sealing."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._money: Money | None = None
        self._until: dict[str, float] = {}
        self._codes: dict[str, str] = {}

    def free(self, rule: str) -> bool:
        """Whether files of a rule may be tried; an edit of what is said of money frees all of them."""
        if self._context.money is not self._money:
            self._money = self._context.money
            self._until = dict.fromkeys(self._until, 0.0)
        return self._until.get(rule, 0.0) <= self._context.clock.now()

    def deadline(self) -> float | None:
        """The monotonic time at which the next held rule is tried again; None while none is held."""
        return min(self._until.values(), default=None)

    async def hold(self, rule: str, found: Hold, files: int, price: Price | None) -> None:
        """Say that so many files of a rule stay ready, and why."""
        told = self._codes.get(rule)
        self._codes[rule] = found.code
        self._until[rule] = self._context.clock.now() + RETRY_INTERVAL
        about = f", about ${format(price.high * files, 'f')}" if price is not None else ""
        count = "1 file is" if files == 1 else f"{files:,} files are"
        zone = self._context.money.zone
        when = f" on {datetime.fromtimestamp(found.until, zone):%Y-%m-%d at %H:%M}" if found.until is not None else ""
        sentence = f"rule {rule}: {count} held{about}. {found.message}"
        remedy = found.remedy.replace("begins anew", f"begins anew{when}")
        report = IncidentReport(ScopeKind.BUDGET.of(rule), found.code, sentence, remedy)
        incidents = self._context.incidents
        await (incidents.report(report) if told == found.code else incidents.restate(report))

    async def release(self, rules: Collection[str]) -> None:
        """Nothing of these rules is held any more."""
        for rule in [each for each in self._until if each in rules]:
            del self._until[rule], self._codes[rule]
            await self._context.incidents.resolve(ScopeKind.BUDGET.of(rule))

    async def keep(self, rules: Collection[str]) -> None:
        """Of all other rules nothing is ready, so nothing is held."""
        await self.release(self._until.keys() - rules)
