"""What may be bought now: limits of money by day, by month and by file, and what a file costs.

Amounts are `Decimal`, in the one currency that the configuration names; never floats.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from runflowd.core.approval_policy import ApprovalPolicy
from runflowd.core.currency import USD

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
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
    """Limits, None for none."""

    per_day: Decimal | None = None
    per_month: Decimal | None = None
    per_file: Decimal | None = None
    stop: Stop = Stop.CAUTIOUS

    @property
    def stops(self) -> bool:
        """Whether there is a limit that does more than to send a message."""
        return self.stop is not Stop.NOTIFY and (self.per_day, self.per_month, self.per_file) != (None, None, None)


_UNASKED = ApprovalPolicy()


@dataclass(frozen=True, slots=True)
class RuleMoney:
    """What a rule says of money; `price` is what a file costs, None to go by what was charged of late."""

    budget: Budget = Budget()
    price: Decimal | None = None
    unknown_price: UnknownPrice = UnknownPrice.ASK
    approve: ApprovalPolicy = _UNASKED


@dataclass(frozen=True, slots=True)
class Money:
    """What a configuration says of money. `zone` is where days begin, None for the zone of this machine.

    `currency` (ISO 4217) is that of all its amounts, and in which the service is expected to bill.
    """

    zone: tzinfo | None = None
    budget: Budget = Budget()
    rules: Mapping[str, RuleMoney] = field(default_factory=dict)
    currency: str = USD

    def has_limits(self, rule: str) -> bool:
        """Whether any limit could hold files of a rule."""
        return self.budget.stops or self.of(rule).budget.stops

    def needs_price(self, rule: str) -> bool:
        """Whether what a file costs decides what of a rule is bought."""
        own = self.of(rule)
        return own.price is None and (self.has_limits(rule) or own.approve.above_cost is not None)

    def of(self, rule: str) -> RuleMoney:
        """What a rule says of money, if anything."""
        return self.rules.get(rule, RuleMoney())


class PriceSource(StrEnum):
    """Who says what a file costs."""

    RULE = "as its rule says"
    CATALOGUE = "as the catalogue says"
    CHARGES = "as was charged of late"


@dataclass(frozen=True, slots=True)
class Price:
    """What a file costs at least and at most, and who says so."""

    low: Decimal
    high: Decimal
    source: PriceSource = PriceSource.CHARGES


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

    def fits(self, price: Price | None, more: Decimal) -> bool:
        """Whether a file may be bought under this limit, beside what others are bought for."""
        if self.stop is Stop.SOFT:
            return self.charged < self.amount
        return self.left - more > 0 if price is None else self.left - more >= price.high


@dataclass(frozen=True, slots=True)
class Hold:
    """Why files stay ready: a code, a sentence, a remedy, and when it ends by itself, if it does (epoch seconds).

    `files` is how many it holds and `cost` what they cost together, where that is known better than by one file.
    """

    code: str
    message: str
    remedy: str
    until: float | None = None
    files: int | None = None
    cost: Price | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """Which of the wanted files may be bought now, which cost too much by themselves, both by their places.

    `hold` is what holds the others.
    """

    bought: tuple[int, ...] = ()
    dear: tuple[int, ...] = ()
    hold: Hold | None = None


def shares(amount: Decimal, count: int) -> list[Decimal]:
    """An amount in so many equal parts, to a millionth of a cent; the first has what division leaves."""
    each = (amount / count).quantize(Decimal("0.00000001"), ROUND_FLOOR)
    return [amount - each * (count - 1), *[each] * (count - 1)]


def price_of(charged: Iterable[Decimal]) -> Price | None:
    """What a file costs: between the least and the most charged of late; None if unknown."""
    known = [amount for amount in charged if amount > 0]  # nothing charged for a failure says nothing of a price
    return Price(min(known), max(known)) if known else None


def allowance(prices: Sequence[Price | None], money: RuleMoney, limits: Iterable[Limit], *, asked: bool) -> Allowance:
    """Which files of a rule fit every limit, in their order; each has a price, None where nobody knows it.

    `asked` says that a file of unknown price is bought and not settled yet.
    """
    own, limits = money.budget, [limit for limit in limits if limit.stop is not Stop.NOTIFY]
    most = own.per_file if own.stop is not Stop.NOTIFY else None
    dear = tuple(place for place, price in enumerate(prices) if too_dear(price, most))
    counts = limits or most is not None or money.approve.above_cost is not None
    needs_price = bool(counts) and money.unknown_price is not UnknownPrice.ALLOW
    bought: list[int] = []
    hold, reserved = None, Decimal(0)
    for place in (place for place in range(len(prices)) if place not in dear):
        price = prices[place]
        if price is None and needs_price:
            if asked or money.unknown_price is UnknownPrice.REFUSE:
                hold = _unknown(money.unknown_price)
                continue
            asked = True
        if full := [limit for limit in limits if not limit.fits(price, reserved)]:
            hold = _reached(min(full, key=lambda limit: limit.left), price)
            break
        bought.append(place)
        reserved += price.high if price else 0
    return Allowance(tuple(bought), dear, hold)


def too_dear(price: Price | None, most: Decimal | None) -> bool:
    """Whether a file may cost more than one file is let cost."""
    return price is not None and most is not None and price.high > most


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


def dear_reason(price: Price | None, most: Decimal | None) -> str:
    """Why a file is not bought that costs more than one is let cost."""
    return f"costs up to {price.high if price else 'nobody knows what'}, and budget.per_file is {most}"


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
