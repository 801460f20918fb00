"""What was spent, by the time of charge: sums over the ledger, and what is reserved besides."""

from __future__ import annotations

import os
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from runflowd.core.periods import day_begins, day_ends, month_begins, month_ends, period_of
from runflowd.store.ledger import Movement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from runflowd.store.connection import Connection, Row


class Grouping(StrEnum):
    """By what sums are made."""

    RULE = "rule"
    DAY = "day"
    MONTH = "month"
    FOLDER = "folder"
    MODEL = "model"


@dataclass(slots=True)
class Line:
    """One sum in one currency. `refunded` is negative; `presumed` is the part of `charged` that nobody has stated.

    `purchases` are counted by their charges: what was bought again is two.
    """

    group: tuple[str, ...]
    currency: str
    purchases: int = 0
    charged: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    presumed: Decimal = Decimal(0)
    presumptions: int = 0

    @property
    def spent(self) -> Decimal:
        """What is left of the charges after refunds."""
        return self.charged + self.refunded

    def add(self, kind: str, amount: Decimal, count: int) -> None:
        """Enter equal movements."""
        if kind == Movement.REFUND:
            self.refunded += amount * count
            return
        self.charged += amount * count
        if kind != Movement.CORRECTION:
            self.purchases += count
        if kind == Movement.PRESUMED:
            self.presumed += amount * count
            self.presumptions += count


@dataclass(slots=True)
class Reserved:
    """What is bought and not charged in one currency, at its highest price; `unpriced` files have none."""

    currency: str
    doubtful: bool
    files: int = 0
    amount: Decimal = Decimal(0)
    unpriced: int = 0


def spend_by(connection: Connection, grouping: Grouping, zone: tzinfo | None, since: float, until: float) -> list[Line]:
    """Sums of what was entered from `since` on and before `until` (epoch seconds), in the order of their groups."""
    found: dict[tuple[tuple[str, ...], str], Line] = {}
    for group, row in _movements(connection, grouping, zone, since, until):
        line = found.setdefault((group, row["currency"]), Line(group, row["currency"]))
        line.add(row["kind"], Decimal(row["amount"]), row["count"])
    return [found[key] for key in sorted(found)]


def totals(lines: list[Line]) -> list[Line]:
    """One sum for each currency."""
    found: dict[str, Line] = {}
    for line in lines:
        whole = found.setdefault(line.currency, Line((), line.currency))
        for name in ("purchases", "charged", "refunded", "presumed", "presumptions"):
            setattr(whole, name, getattr(whole, name) + getattr(line, name))
    return [found[currency] for currency in sorted(found)]


def reserved_besides(connection: Connection) -> list[Reserved]:
    """What may be charged yet, as of now: on its way, and of unknown outcome."""
    found: dict[tuple[bool, str], Reserved] = {}
    for row in connection.all("reserved_besides"):
        key = (bool(row["doubtful"]), row["currency"])
        each = found.setdefault(key, Reserved(row["currency"], key[0]))
        each.files += row["count"]
        if row["amount"] is None:
            each.unpriced += row["count"]
        else:
            each.amount += Decimal(row["amount"]) * row["count"]
    return [found[key] for key in sorted(found)]


def _movements(
    connection: Connection, grouping: Grouping, zone: tzinfo | None, since: float, until: float
) -> Iterator[tuple[tuple[str, ...], Row]]:
    """Equal movements of each group together."""
    if grouping in {Grouping.DAY, Grouping.MONTH}:
        for name, begins, ends in _periods(connection, grouping, zone, since, until):
            for row in connection.all("spend_between", since=begins, until=ends):
                yield (name,), row
        return
    for row in connection.all(f"spend_by_{grouping}", since=since, until=until):
        yield _group(grouping, row), row


def _group(grouping: Grouping, row: Row) -> tuple[str, ...]:
    return (row["name"], os.fsdecode(row["dir"])) if grouping is Grouping.FOLDER else (row["name"],)


def _periods(
    connection: Connection, grouping: Grouping, zone: tzinfo | None, since: float, until: float
) -> Iterator[tuple[str, float, float]]:
    """The days or months in which anything was entered, each with the part of it that is asked for."""
    begins, ends = (day_begins, day_ends) if grouping is Grouping.DAY else (month_begins, month_ends)
    while (row := connection.one("next_movement", since=since, until=until)) and row["at"] is not None:
        period = period_of(row["at"], zone)
        end = min(ends(period, zone), until)
        yield (period if grouping is Grouping.DAY else period[:7]), max(begins(period, zone), since), end
        since = end
