"""What limits hold, or waits for an approval: said once a rule as an incident, looked at again once it may be over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from runflowd.core.approval import in_words
from runflowd.core.currency import amount_text, to_cents
from runflowd.core.incident_scope import ScopeKind
from runflowd.observability.incidents import IncidentReport

if TYPE_CHECKING:
    from collections.abc import Collection

    from runflowd.core.money import Hold, Money, Price
    from runflowd.pipeline.context import Context

RETRY_INTERVAL = 5.0
"""Seconds at least between two looks at the limits that hold a rule."""


@dataclass(slots=True)
class _Held:
    """A rule that is held. `changes` are those of the state file after which its limits were looked up.

    `until` is when it ends by itself (epoch seconds), `retry_at` when it may be looked at again (monotonic).
    """

    code: str
    until: float | None
    retry_at: float
    changes: int


class Holds:
    """The rules whose ready files are held now. What it forgets in a crash is found by the next sealing.

    A hold can end with a period, an edit, or a change of the state file: a charge that was less than reserved, a
    failure that was not charged. Until one of them nothing is looked up.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._money: Money | None = None
        self._held: dict[str, _Held] = {}

    def __contains__(self, rule: str) -> bool:
        return rule in self._held

    def free(self, rule: str) -> bool:
        """Whether files of a rule may be tried; an edit of what is said of money frees all of them."""
        if self._context.money is not self._money:
            self._money = self._context.money
            for each in self._held.values():
                each.changes, each.retry_at = -1, 0.0
        held = self._held.get(rule)
        if held is None:
            return True
        return self._may_be_over(held) and held.retry_at <= self._context.clock.now()

    def _may_be_over(self, held: _Held) -> bool:
        over = held.until is not None and held.until <= self._context.clock.wall()
        return over or held.changes != self._context.store.changes

    def deadline(self) -> float | None:
        """The monotonic time at which the next held rule may be looked at again; None while none is known.

        One that may be already is tried once its files are due.
        """
        now = self._context.clock.now()
        ends = (self._retry_at(held) for held in self._held.values())
        return min((end for end in ends if end is not None and end > now), default=None)

    def _retry_at(self, held: _Held) -> float | None:
        if self._may_be_over(held):
            return held.retry_at
        clock = self._context.clock
        return None if held.until is None else max(held.retry_at, clock.now() + held.until - clock.wall())

    async def hold(self, rule: str, found: Hold, files: int, price: Price | None) -> None:
        """Say that so many files of a rule stay ready, and why."""
        before, incidents = self._held.get(rule), self._context.incidents
        report = self._report(rule, found, files, price)
        if before is None or before.code != found.code:
            await incidents.restate(report)
        elif report not in incidents.snapshot():
            await incidents.report(report)
        retry_at = self._context.clock.now() + RETRY_INTERVAL
        self._held[rule] = _Held(found.code, found.until, retry_at, self._context.store.changes)

    def _report(self, rule: str, found: Hold, files: int, price: Price | None) -> IncidentReport:
        money = self._context.money
        about = f"about {amount_text(to_cents(price.high * files), money.currency)}" if price is not None else ""
        if found.files is not None:
            files, about = found.files, in_words(found.cost, money.currency)
        zone = money.zone
        when = f" on {datetime.fromtimestamp(found.until, zone):%Y-%m-%d at %H:%M}" if found.until is not None else ""
        remedy = found.remedy.replace("begins anew", f"begins anew{when}")
        return hold_report(rule, replace(found, remedy=remedy), files, about)

    async def release(self, rules: Collection[str]) -> None:
        """Nothing of these rules is held any more."""
        for rule in [each for each in self._held if each in rules]:
            del self._held[rule]
            await self._context.incidents.resolve(ScopeKind.BUDGET.of(rule))

    async def keep(self, rules: Collection[str]) -> None:
        """Of all other rules nothing is ready, so nothing is held."""
        await self.release(self._held.keys() - rules)


def hold_report(rule: str, found: Hold, files: int, about: str) -> IncidentReport:
    """That so many files of a rule are held, about what they cost, why, and what to do."""
    count = "1 file is" if files == 1 else f"{files:,} files are"
    sentence = f"rule {rule}: {count} held{f', {about}' if about else ''}. {found.message}"
    return IncidentReport(ScopeKind.BUDGET.of(rule), found.code, sentence, found.remedy)
