"""What the next purchase may cost, held against the limits, in the transaction that seals it.

Nothing is released: what counts as reserved is read from the items that are bought and not settled, so that no
crash can leave a reservation behind.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from runflowd.core.money import Limit, allowance, day_ends, month_ends, period_of
from runflowd.store.connection import stored_value
from runflowd.store.ledger import expected_price

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.core.money import Allowance, Budget, Money, Price
    from runflowd.store.connection import Connection

_PERIOD = "period"
"""The key of the latest day on which anything was sealed."""


def current_period(connection: Connection, money: Money, now: float) -> str:
    """The day that purchases count for now; never earlier than one that was on record already."""
    return period_of(now, money.zone, stored_value(connection, "", _PERIOD) or "")


def limits_of(connection: Connection, money: Money, rule: str, now: float) -> list[Limit]:
    """Every limit by day and month that a rule is under, with what counts against it."""
    period = current_period(connection, money, now)
    return [
        *_limits(connection, money.budget, "", period, money),
        *_limits(connection, money.of(rule).budget, rule, period, money),
    ]


def allowed(
    connection: Connection, wanted: int, *, rule: str, model: str, service: str, money: Money, now: float
) -> tuple[Allowance, Price | None]:
    """How many of the wanted files of a rule may be bought now, and what each is expected to cost."""
    own = money.of(rule)
    price = expected_price(connection, own, service, model)
    asked = price is None and connection.one("asked_price", rule=rule) is not None
    return allowance(wanted, price, own, limits_of(connection, money, rule, now), asked=asked), price


def reserve(connection: Connection, numbers: list[int], money: Money, price: Price | None, now: float) -> None:
    """Note what the items of a batch may cost, and the day that they count for."""
    period = current_period(connection, money, now)
    connection.run("save_value", service="", key=_PERIOD, value=period)
    low, high = (None, None) if price is None else (format(price.low, "f"), format(price.high, "f"))
    connection.run_many("reserve", [{"id": number, "low": low, "high": high, "period": period} for number in numbers])


def _limits(connection: Connection, budget: Budget, rule: str, period: str, money: Money) -> Iterator[Limit]:
    month = period[:-2]
    for name, amount, first, last, resets_at in (
        ("per_day", budget.per_day, period, period, day_ends(period, money.zone)),
        ("per_month", budget.per_month, f"{month}01", f"{month}31", month_ends(period, money.zone)),
    ):
        if amount is not None:
            days = {"first": first, "last": last}
            charged, reserved = _sum(connection, "charged", rule, days), _sum(connection, "reserved", rule, days)
            yield Limit(name, rule, amount, budget.stop, charged, reserved, resets_at)


def _sum(connection: Connection, name: str, rule: str, days: dict[str, str]) -> Decimal:
    """The sum over all rules, or over one; what nobody knows a price for adds nothing."""
    rows = connection.all(f"{name}_of_rule", rule=rule, **days) if rule else connection.all(name, **days)
    return sum((Decimal(row["amount"]) * row["count"] for row in rows if row["amount"] is not None), Decimal(0))
