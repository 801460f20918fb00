"""What may be bought now: limits of money by day, by month and by file, and what a file costs.

Amounts are `Decimal` dollars, the currency in which the service bills; never floats. A period is a day, written
`2026-11-29`, of the time zone that the configuration names; a month is the days that begin alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import tzinfo

BUDGET_REACHED = "BUDGET_REACHED"
FILE_TOO_EXPENSIVE = "FILE_TOO_EXPENSIVE"
PRICE_UNKNOWN = "PRICE_UNKNOWN"


class Stop(StrEnum):
    """What a limit does: hold at the high estimate, hold once that much is charged, or send a message alone."""

    CAUTIOUS = "cautious"
    SOFT = "soft"
    NOTIFY = "notify"


class UnknownPrice(StrEnum):
    """What becomes of files whose price nobody knows, under a limit: one is bought to learn it, all, or none."""

    ASK = "ask"
    ALLOW = "allow"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits in dollars, None for none."""

    per_day: Decimal | None = None
    per_month: Decimal | None = None
    per_file: Decimal | None = None
    stop: Stop = Stop.CAUTIOUS


@dataclass(frozen=True, slots=True)
class RuleMoney:
    """What a rule says of money; `price` is what a file costs, None to go by what was charged of late."""

    budget: Budget = Budget()
    price: Decimal | None = None
    unknown_price: UnknownPrice = UnknownPrice.ASK


@dataclass(frozen=True, slots=True)
class Money:
    """What a configuration says of money. `zone` is where days begin, None for the zone of this machine."""

    zone: tzinfo | None = None
    budget: Budget = Budget()
    rules: Mapping[str, RuleMoney] = field(default_factory=dict)

    def of(self, rule: str) -> RuleMoney:
        """What a rule says of money, if anything."""
        return self.rules.get(rule, RuleMoney())


@dataclass(frozen=True, slots=True)
class Price:
    """What a file costs at least and at most."""

    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit, and what counts against it: what was charged, and what is bought and not settled at its high price.

    `name` is its key, `rule` whose it is, "" for that of all rules. `resets_at` is epoch seconds.
    """

    name: str
    rule: str
    amount: Decimal
    stop: Stop
    charged: Decimal
    reserved: Decimal
    resets_at: float

    @property
    def left(self) -> Decimal:
        """What may still be bought; negative where more was charged than was expected."""
        return self.amount - self.charged - self.reserved

    @property
    def key(self) -> str:
        """Where it is written in the configuration."""
        return f"rules.{self.rule}.budget.{self.name}" if self.rule else f"money.budget.{self.name}"

    def fits(self, wanted: int, price: Price | None) -> int:
        """How many of the wanted files may be bought under this limit."""
        if self.stop is Stop.NOTIFY:
            return wanted
        if self.stop is Stop.SOFT:
            return wanted if self.charged < self.amount else 0
        if price is None:
            return wanted if self.left > 0 else 0
        return max(0, min(wanted, int((self.left / price.high).to_integral_value(ROUND_FLOOR))))


@dataclass(frozen=True, slots=True)
class Hold:
    """Why files stay ready: a code, a sentence, a remedy, and when it ends by itself, if it does (epoch seconds)."""

    code: str
    message: str
    remedy: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many of the wanted files may be bought now, and what holds the others."""

    count: int
    hold: Hold | None = None


def period_of(now: float, zone: tzinfo | None, latest: str = "") -> str:
    """The day of a purchase at `now` (epoch seconds), never one before the `latest` that there was.

    A clock that is set back fills no limit anew.
    """
    return max(datetime.fromtimestamp(now, zone).date().isoformat(), latest)


def day_ends(period: str, zone: tzinfo | None) -> float:
    """When the day after a period begins (epoch seconds), in whatever offset from UTC the zone then has."""
    return _begins(date.fromisoformat(period) + timedelta(days=1), zone)


def month_ends(period: str, zone: tzinfo | None) -> float:
    """When the month after that of a period begins (epoch seconds)."""
    return _begins((date.fromisoformat(period).replace(day=1) + timedelta(days=32)).replace(day=1), zone)


def _begins(day: date, zone: tzinfo | None) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


def price_of(own: Decimal | None, charged: Iterable[Decimal]) -> Price | None:
    """What a file costs: as its rule says, else between the least and the most charged of late; None if unknown."""
    if own is not None:
        return Price(own, own)
    known = [amount for amount in charged if amount > 0]  # nothing charged for a failure says nothing of a price
    return Price(min(known), max(known)) if known else None


def allowance(wanted: int, price: Price | None, money: RuleMoney, limits: Iterable[Limit], *, asked: bool) -> Allowance:
    """How many of the wanted files of a rule fit every limit.

    `asked` says that a file of unknown price is bought and not settled yet.
    """
    own, limits = money.budget, [limit for limit in limits if limit.stop is not Stop.NOTIFY]
    stops_files = own.per_file is not None and own.stop is not Stop.NOTIFY
    if price is None and (limits or stops_files) and money.unknown_price is not UnknownPrice.ALLOW:
        if asked or money.unknown_price is UnknownPrice.REFUSE:
            return Allowance(0, _unknown(money.unknown_price))
        wanted = min(wanted, 1)
    if price is not None and own.per_file is not None and stops_files and price.high > own.per_file:
        return Allowance(0, _too_expensive(price, own.per_file))
    count, hold = wanted, None
    for limit in limits:
        fitting = limit.fits(wanted, price)
        if fitting < count:
            count, hold = fitting, _reached(limit, price)
    return Allowance(count, hold)


def _reached(limit: Limit, price: Price | None) -> Hold:
    each = f", and a file costs up to {price.high}" if price is not None and limit.stop is Stop.CAUTIOUS else ""
    sentence = (
        f"{limit.key} is {limit.amount}: {limit.charged} is charged, {limit.reserved} is reserved for what is bought "
        f"and not settled{each}"
    )
    return Hold(
        BUDGET_REACHED,
        sentence,
        f"Files wait until the limit begins anew, or raise {limit.key}: an edit counts within seconds",
        limit.resets_at,
    )


def _too_expensive(price: Price, limit: Decimal) -> Hold:
    sentence = f"a file costs up to {price.high}, and budget.per_file is {limit}"
    return Hold(FILE_TOO_EXPENSIVE, sentence, "Raise budget.per_file, choose another model, or correct `price`")


def _unknown(unknown: UnknownPrice) -> Hold:
    if unknown is UnknownPrice.REFUSE:
        return Hold(
            PRICE_UNKNOWN,
            "nobody knows what a file costs, and unknown_price is refuse",
            "Write what a file costs as `price` of the rule, or `unknown_price: ask`, which buys one file to learn it",
        )
    return Hold(
        PRICE_UNKNOWN,
        "nobody knows what a file costs; one is bought, and the others wait for what is charged for it",
        "Nothing: they go on by themselves. Or write what a file costs as `price` of the rule",
    )
