"""The screen of money: what was charged, by day, rule and model, as `runflowd spend` tells it, and the limits."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from runflowd.core.currency import amount_text
from runflowd.web.formatting import money, number, plural, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runflowd.web.view_models import LimitRow

SPANS = {"1d": ("24 hours", "1d"), "7d": ("7 days", "7d"), "30d": ("30 days", "30d"), "all": ("All of it", "")}
"""What can be chosen at one press: its word in the address, its name, and how far back it goes."""

_CENTS, _FINE = Decimal("0.01"), Decimal("0.0001")

GROUPINGS = {"day": "By day", "rule": "By rule", "model": "By model"}


@dataclass(frozen=True, slots=True)
class SumRow:
    """One sum. `share` is its part of the largest of its table and currency, in percent."""

    name: str
    spent: str
    refunded: str
    purchases: str
    share: float


@dataclass(frozen=True, slots=True)
class SumTable:
    """One way to group."""

    title: str
    by: str
    rows: tuple[SumRow, ...]
    refunds: bool


@dataclass(frozen=True, slots=True)
class SpendPage:
    """The screen. `spans` are the word, the name and whether it is chosen; `besides` says what is not charged yet."""

    spans: tuple[tuple[str, str, bool], ...]
    since: str
    until: str
    totals: tuple[str, ...]
    purchases: str
    besides: tuple[str, ...]
    tables: tuple[SumTable, ...]
    limits: tuple[LimitRow, ...]
    zone: str


def spend_page(
    chosen: str, since: str, until: str, reports: Mapping[str, dict[str, Any]], limits: Sequence[LimitRow]
) -> SpendPage:
    """Word the reports, which are one for each of `GROUPINGS`."""
    report = reports["day"]
    zone = report["timezone"]
    return SpendPage(
        spans=tuple((word, name, word == chosen) for word, (name, _) in SPANS.items()),
        since=shown(since),
        until=shown(until),
        totals=tuple(_money(each["spent"], each["currency"]) for each in report["totals"]) or ("none",),
        purchases=plural(sum(each["purchases"] for each in report["totals"]), "purchase"),
        besides=tuple(_besides(report)),
        tables=tuple(_table(by, title, reports[by]) for by, title in GROUPINGS.items()),
        limits=tuple(limits),
        zone=f"days of {shown(zone)}" if zone else "days of this machine's time zone",
    )


def _money(amount: str, currency: str) -> str:
    return money(Decimal(amount), currency)


def _table(by: str, title: str, report: dict[str, Any]) -> SumTable:
    """Amounts stand below each other with the same digits: cents, or hundredths of them where there are any."""
    most: dict[str, Decimal] = {}
    for row in report["rows"]:
        most[row["currency"]] = max(most.get(row["currency"], Decimal(0)), Decimal(row["spent"]))
    amounts = [Decimal(row[name]) for row in report["rows"] for name in ("spent", "refunded")]
    step = _CENTS if all(each == each.quantize(_CENTS) for each in amounts) else _FINE
    rows = tuple(_row(by, row, most[row["currency"]], step) for row in report["rows"])
    newest_first = rows[::-1] if by == "day" else rows
    return SumTable(title, by, newest_first, any(Decimal(row["refunded"]) for row in report["rows"]))


def _row(by: str, row: dict[str, Any], most: Decimal, step: Decimal) -> SumRow:
    spent, refunded = Decimal(row["spent"]), -Decimal(row["refunded"])
    return SumRow(
        name=shown(row[by]) or "without a name",
        spent=amount_text(spent.quantize(step, ROUND_HALF_UP), row["currency"]),
        refunded=amount_text(refunded.quantize(step, ROUND_HALF_UP), row["currency"]) if refunded else "",
        purchases=number(row["purchases"]),
        share=round(float(100 * spent / most), 1) if most > 0 and spent > 0 else 0.0,
    )


def _besides(report: dict[str, Any]) -> Iterator[str]:
    for each in report["totals"]:
        if each["presumptions"]:
            yield f"Of it {_money(each['presumed'], each['currency'])} is presumed: its outcome is unknown."
    for name, begins in (("reserved", "Reserved besides"), ("unknown", "Of unknown outcome, perhaps charged")):
        for each in report[name]:
            yield f"{begins}: {_at_most(each)}."
    if Decimal(report["hosted"]):
        yield f"What this machine did at no cost would have cost about {money(Decimal(report['hosted']))} there."


def _at_most(each: dict[str, Any]) -> str:
    priced = each["files"] - each["unpriced"]
    parts = [f"up to {_money(each['amount'], each['currency'])} for {plural(priced, 'file')}"] if priced else []
    parts += [f"{plural(each['unpriced'], 'file')} of unknown price"] if each["unpriced"] else []
    return " and ".join(parts)
