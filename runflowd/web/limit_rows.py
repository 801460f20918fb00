"""Limits of money as bars: what was charged, what is reserved, and what is left."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from runflowd.core.incident_scope import ScopeKind
from runflowd.core.money import BUDGET_REACHED, Stop
from runflowd.web.formatting import age, money, shown
from runflowd.web.view_models import LimitRow, Segment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.core.money import Limit
    from runflowd.observability.status import Status

_PERIODS = {"per_day": "a day", "per_month": "a month"}

_STOPS = {
    Stop.CAUTIOUS: "",
    Stop.SOFT: "; it stops once that much is charged",
    Stop.NOTIFY: "; it stops nothing, and a message goes out",
}


def limit_rows(status: Status) -> Iterator[LimitRow]:
    """A row for each limit of a status."""
    for limit in status.limits:
        text = partial(money, currency=status.currency)
        left = f"{text(limit.left)} left" if limit.left >= 0 else f"{text(-limit.left)} above the limit"
        yield LimitRow(
            name=f"{shown(limit.rule) or 'All rules'}, {_PERIODS[limit.name]}",
            key=shown(limit.key),
            words=f"{text(limit.charged)} charged, {text(limit.reserved)} reserved, {left} of {text(limit.amount)}",
            note=_note(status, limit),
            tone="bad" if limit.left <= 0 else "",
            now=f"{min(limit.amount, limit.charged + limit.reserved):f}",
            most=f"{limit.amount:f}",
            bar=tuple(_bar(limit)),
        )


def held(status: Status, rule: str) -> str:
    """The first words of the incident of a rule whose files a limit holds: how many, and about how much."""
    scope = str(ScopeKind.BUDGET.of(rule))
    found = next((each for each in status.incidents if each.scope == scope and each.code == BUDGET_REACHED), None)
    return "" if found is None else shown(found.message.removeprefix(f"rule {rule}: ").partition(". ")[0])


def _note(status: Status, limit: Limit) -> str:
    moment = datetime.fromtimestamp(limit.resets_at, status.zone)
    return f"begins anew on {moment:%Y-%m-%d at %H:%M}, in {age(limit.resets_at - status.now)}{_STOPS[limit.stop]}"


def _bar(limit: Limit) -> Iterator[Segment]:
    """Parts of a hundred; what is above the limit has no room."""
    start = 0.0
    for tone, amount in (("charged", limit.charged), ("reserved", limit.reserved)):
        width = min(100.0 - start, float(100 * amount / limit.amount))
        if width > 0:
            yield Segment(tone, round(start, 2), round(width, 2))
            start += width
