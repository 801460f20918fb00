"""What was spent: what the ledger holds, and what is bought and not settled, at its high estimate."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from runflowd.store.ledger import summed
from runflowd.store.reserving import current_period

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.core.money import Money
    from runflowd.store.connection import Connection, Row

LATEST = 20
"""Batches that were bought last, from which a price is taken."""


@dataclass(frozen=True, slots=True)
class Spend:
    """What was charged, and what all that is bought beside that costs at most, as far as is known.

    `unpriced` are items that nobody knows a price for yet: none of their model was ever paid. `others` was charged in
    other currencies, by these; it is no part of the sums.
    """

    settled: Decimal = Decimal(0)
    estimated: Decimal = Decimal(0)
    unpriced: int = 0
    others: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def total(self) -> Decimal:
        """What counts as spent."""
        return self.settled + self.estimated


def spent_today(connection: Connection, money: Money, now: float) -> Spend:
    """What purchases of this day cost, or will, as limits by day count it; `now` is epoch seconds."""
    period = current_period(connection, money, now)
    days = {"first": period, "last": period, "currency": money.currency}
    reserved = connection.all("reserved", **days)
    unpriced = sum(row["count"] for row in reserved if row["amount"] is None)
    others: defaultdict[str, list[Row]] = defaultdict(list)
    for row in connection.all("charged_in_others", **days):
        others[row["currency"]].append(row)
    foreign = {currency: summed(rows) for currency, rows in others.items()}
    return Spend(summed(connection.all("charged", **days)), summed(reserved), unpriced, foreign)


def hosted_since(connection: Connection, since: float, until: float = math.inf) -> Decimal:
    """What the hosted service would have taken for what this machine has done since then; nobody pays that."""
    return summed(connection.all("hosted_since", since=since, until=until))


def usual_price(connection: Connection, service: str, model: str) -> Decimal | None:
    """What an item of a model cost on average of late, in dollars; None while nothing is known."""
    costs = [Decimal(row["cost"]) for row in connection.all("latest_costs", service=service, model=model, limit=LATEST)]
    return sum(costs, Decimal(0)) / len(costs) if costs else None
