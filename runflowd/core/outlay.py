"""What files that are not bought yet would cost together, and how many of them a limit lets through now."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from runflowd.core.money import Limit, Price, Stop

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(slots=True)
class Outlay:
    """Files counted by their expected price, None where nobody knows it."""

    prices: Counter[Price | None] = field(default_factory=Counter)

    @classmethod
    def of(cls, parts: Iterable[Outlay]) -> Outlay:
        """Several together."""
        found = cls()
        for part in parts:
            found.prices.update(part.prices)
        return found

    @property
    def files(self) -> int:
        """How many there are."""
        return self.prices.total()

    @property
    def unknown(self) -> int:
        """How many of them have no known price."""
        return self.prices[None]

    @property
    def low(self) -> Decimal:
        """What those of known price cost at least."""
        return sum((price.low * count for price, count in self.prices.items() if price), Decimal(0))

    @property
    def high(self) -> Decimal:
        """What those of known price cost at most."""
        return sum((price.high * count for price, count in self.prices.items() if price), Decimal(0))

    def above(self, most: Decimal) -> int:
        """How many may cost more by themselves."""
        return sum(count for price, count in self.prices.items() if price and price.high > most)


@dataclass(frozen=True, slots=True)
class Passing:
    """How many files a limit lets through, and what is left of it then at their highest price."""

    files: int
    left: Decimal


def let_through(limit: Limit, outlay: Outlay) -> Passing:
    """What a limit lets through now; files of unknown price pass while anything is left, as others decide of them."""
    left, passed = limit.left, 0
    for price, count in outlay.prices.items():
        if limit.stop is Stop.CAUTIOUS:
            fits = (count if left > 0 else 0) if price is None else min(count, max(0, int(left // price.high)))
        else:
            fits = count if limit.stop is Stop.NOTIFY or limit.charged < limit.amount else 0
        left -= (price.high if price else 0) * fits
        passed += fits
    return Passing(passed, left)
