"""What the next purchase may cost, held against the limits, in the transaction that seals it.

Nothing is released: what counts as reserved is read from the items that are bought and not settled, so that no
crash can leave a reservation behind.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.core.approval import Waiting, after, approval_hold, judge, passing, slots, total
from runflowd.core.money import FILE_TOO_EXPENSIVE, Allowance, Limit, allowance, dear_reason
from runflowd.core.periods import day_ends, month_ends, period_of
from runflowd.store.approvals import approval_of, count_waiting, first_waiting, new_among
from runflowd.store.connection import stored_value
from runflowd.store.history import record
from runflowd.store.ledger import PERIOD_KEY, summed
from runflowd.store.prices import currency_hold, expected_prices, priced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runflowd.core.approval import Approval
    from runflowd.core.approval_policy import ApprovalPolicy
    from runflowd.core.money import Budget, Money, Price, RuleMoney
    from runflowd.store.connection import Connection


def current_period(connection: Connection, money: Money, now: float) -> str:
    """The day that purchases count for now; never earlier than one that was on record already."""
    return period_of(now, money.zone, stored_value(connection, "", PERIOD_KEY) or "")


def is_ahead(connection: Connection, money: Money, now: float) -> bool:
    """Whether anything was sealed on a day that has not begun: a clock was ahead, or is behind."""
    return current_period(connection, money, now) > period_of(now, money.zone)


def correct_period(connection: Connection, money: Money, now: float) -> str:
    """The clock proves right, and was ahead: what was bought meanwhile counts for this day. Give the day on record."""
    before, period = current_period(connection, money, now), period_of(now, money.zone)
    connection.run("save_value", service="", key=PERIOD_KEY, value=period)
    connection.run("redate_reservations", period=period)
    connection.run("redate_movements", period=period)
    return before


def limits_of(connection: Connection, money: Money, rule: str, now: float) -> list[Limit]:
    """Every limit by day and month that a rule is under, with what counts against it."""
    return list(every_limit(connection, money, [rule], now))


def every_limit(connection: Connection, money: Money, rules: Iterable[str], now: float) -> Iterator[Limit]:
    """The limits of all rules together, then those of each rule alone, each with what counts against it."""
    period = current_period(connection, money, now)
    yield from _limits(connection, money.budget, "", period, money)
    for rule in rules:
        yield from _limits(connection, money.of(rule).budget, rule, period, money)


@dataclass(frozen=True, slots=True)
class Purchase:
    """What is to be bought: files of a rule under one rule text, by a model of a service.

    `recipe` names what the rule buys (`core.undeliverable.recipe_of`). `whole` says that no more files are on their
    way to be ready.
    """

    snapshot: str
    rule: str
    recipe: str
    model: str
    service: str
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which of some items may be bought now, what each is expected to cost, and what the answer rests on."""

    found: Allowance
    prices: list[Price | None]
    new: list[bool]
    known: Approval
    judged: Approval
    waiting: Waiting

    def after(self, approve: ApprovalPolicy) -> Approval:
        """What is on record of approvals once the items that may be bought are sealed."""
        bought = sum(self.new[place] for place in self.found.bought)
        return after(approve, self.judged, bought, self.waiting)


def allowed(connection: Connection, numbers: Sequence[int], purchase: Purchase, money: Money, now: float) -> Verdict:
    """Which of these items of a rule may be bought now: those that need no approval, and of them what fits its limits.

    Changes nothing.
    """
    rule, own = purchase.rule, money.of(purchase.rule)
    known = approval_of(connection, rule, purchase.recipe)
    there = waiting_files(connection, purchase, money, now) if own.approve.asks or known.crowd else Waiting(0)
    judged, new = judge(own.approve, known, there), new_among(connection, numbers)
    if held := currency_hold(connection, money, rule, purchase.service, purchase.model, now):
        return Verdict(Allowance(hold=held), [None] * len(numbers), new, known, judged, there)
    inputs = {row["id"]: priced(row) for row in connection.all("priced_by", ids=json.dumps(numbers))}
    files = [inputs[number] for number in numbers]
    prices = expected_prices(connection, own, purchase.service, purchase.model, files, now, money.currency)
    places = passing(new, slots(own.approve, judged))
    asked = None in prices and connection.one("asked_price", rule=rule) is not None
    found = allowance([prices[place] for place in places], own, limits_of(connection, money, rule, now), asked=asked)
    hold = found.hold
    if hold is None and len(places) < len(numbers):
        hold = approval_hold(rule, own.approve, judged, there)
    bought, dear = (tuple(places[place] for place in part) for part in (found.bought, found.dear))
    return Verdict(Allowance(bought, dear, hold), prices, new, known, judged, there)


def waiting_files(connection: Connection, purchase: Purchase, money: Money, now: float) -> Waiting:
    """The ready files that were never sealed, and what they are expected to cost."""
    files = count_waiting(connection, purchase.snapshot)
    first, own = first_waiting(connection, purchase.snapshot), money.of(purchase.rule)
    prices = expected_prices(connection, own, purchase.service, purchase.model, first, now, money.currency)
    return Waiting(files, total(prices, files), purchase.whole)


def reservations(
    connection: Connection, bought: Iterable[tuple[int, Price | None]], money: Money, now: float
) -> dict[int, dict[str, str | None]]:
    """What is to be noted of each item of a batch: what it may cost, by its price, and the day that it counts for."""
    period = current_period(connection, money, now)
    connection.run("save_value", service="", key=PERIOD_KEY, value=period)
    shared = {"currency": money.currency, "period": period}
    return {number: {**_range(price), **shared} for number, price in bought}


def _range(price: Price | None) -> dict[str, str | None]:
    low, high = (None, None) if price is None else (format(price.low, "f"), format(price.high, "f"))
    return {"low": low, "high": high}


def park(connection: Connection, dear: Iterable[tuple[int, Price | None]], money: RuleMoney, now: float) -> None:
    """Leave ready items out of every batch, each with its price: they cost more than their rule lets one file cost."""
    for number, price in dear:
        reason = dear_reason(price, money.budget.per_file)
        connection.run("park", id=number, reason=reason)
        record(connection, number, now, reason, FILE_TOO_EXPENSIVE)


def _limits(connection: Connection, budget: Budget, rule: str, period: str, money: Money) -> Iterator[Limit]:
    month = period[:-2]
    for name, amount, first, last, resets_at in (
        ("per_day", budget.per_day, period, period, day_ends(period, money.zone)),
        ("per_month", budget.per_month, f"{month}01", f"{month}31", month_ends(period, money.zone)),
    ):
        if amount is not None:
            days = {"first": first, "last": last, "currency": money.currency}
            charged, reserved = (
                summed(connection.all(f"{kind}_of_rule", rule=rule, **days) if rule else connection.all(kind, **days))
                for kind in ("charged", "reserved")
            )
            yield Limit(name, rule, amount, budget.stop, charged, reserved, resets_at)
