"""What was spent: counted from the purchase on, at an estimate until the service states what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runflowd.store.connection import Connection

LATEST = 20
"""Batches that were bought last, from which a price is taken."""


@dataclass(frozen=True, slots=True)
class Spend:
    """Dollars that the service stated, and those that what was bought beside that will cost, as far as is known.

    `unpriced` are items that nobody knows a price for yet: none of their model was ever paid.
    """

    settled: Decimal = Decimal(0)
    estimated: Decimal = Decimal(0)
    unpriced: int = 0

    @property
    def total(self) -> Decimal:
        """What counts as spent."""
        return self.settled + self.estimated


def spend_since(connection: Connection, since: float) -> Spend:
    """What the items that were bought since then (epoch seconds) cost, or will."""
    rows = connection.all("spend_since", since=since)
    settled = sum((Decimal(row["cost"]) * row["count"] for row in rows), Decimal(0))
    estimated, unpriced = Decimal(0), 0
    for row in connection.all("unsettled_since", since=since):
        price = usual_price(connection, row["service"], row["model"])
        if price is None:
            unpriced += row["count"]
        else:
            estimated += price * row["count"]
    return Spend(settled, estimated.quantize(Decimal("0.0001")) if estimated else estimated, unpriced)


def hosted_since(connection: Connection, since: float) -> Decimal:
    """What the hosted service would have taken for what this machine has done since then; nobody pays that."""
    rows = connection.all("hosted_since", since=since)
    return sum((Decimal(row["hosted"]) * row["count"] for row in rows), Decimal(0))


def usual_price(connection: Connection, service: str, model: str) -> Decimal | None:
    """What an item of a model cost on average of late, in dollars; None while nothing is known."""
    costs = [Decimal(row["cost"]) for row in connection.all("latest_costs", service=service, model=model, limit=LATEST)]
    return sum(costs, Decimal(0)) / len(costs) if costs else None
