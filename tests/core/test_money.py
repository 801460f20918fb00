"""What may be bought: limits, periods and prices, by example and by law."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runflowd.core.money import (
    BUDGET_REACHED,
    PRICE_UNKNOWN,
    Allowance,
    Budget,
    Limit,
    Price,
    RuleMoney,
    Stop,
    UnknownPrice,
    allowance,
    price_of,
    shares,
)
from runflowd.core.periods import day_ends, latest_time_of_day, month_ends, period_of

BERLIN = ZoneInfo("Europe/Berlin")
CENTS = st.decimals("0.01", "9", places=2)


def limit(amount: str, charged: str = "0", reserved: str = "0", stop: Stop = Stop.CAUTIOUS) -> Limit:
    """A day's limit of all rules."""
    return Limit("per_day", "", Decimal(amount), stop, Decimal(charged), Decimal(reserved), 100.0)


def price(high: str) -> Price:
    """A price that is known exactly."""
    return Price(Decimal(high), Decimal(high))


def allowed(wanted: int, of: Price | None, *limits: Limit, asked: bool = False, **says: object) -> Allowance:
    """The answer about a rule that says these things."""
    return allowance([of] * wanted, RuleMoney(**says), limits, asked=asked)  # type: ignore[arg-type]  # each is of its kind


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (limit("1.00"), 3),
        (limit("1.00", charged="0.40"), 2),
        (limit("1.00", reserved="0.40"), 2),
        (limit("0.90"), 3),
        (limit("0.29"), 0),
        (limit("1.00", charged="1.50"), 0),
        (limit("1.00", charged="0.99", stop=Stop.SOFT), 10),
        (limit("1.00", reserved="5", stop=Stop.SOFT), 10),
        (limit("1.00", charged="1.00", stop=Stop.SOFT), 0),
        (limit("1.00", charged="9", stop=Stop.NOTIFY), 10),
    ],
)
def test_a_limit_lets_through_what_fits(found: Limit, expected: int) -> None:
    """Cautious at the high price, soft by what is charged, and a message stops nothing."""
    assert expected == len(allowed(10, price("0.30"), found).bought)


def test_the_tightest_limit_counts_and_is_named() -> None:
    """With when it begins anew, and where it is written."""
    tight = Limit("per_month", "studio", Decimal(1), Stop.CAUTIOUS, Decimal("0.8"), Decimal(0), 777.0)
    found = allowed(10, price("0.30"), limit("50"), tight)

    assert found.hold is not None
    assert (0, BUDGET_REACHED, 777.0) == (len(found.bought), found.hold.code, found.hold.until)
    assert "rules.studio.budget.per_month is 1: 0.8 is charged" in found.hold.message


def test_only_the_files_that_cost_too_much_are_left_out() -> None:
    """The others are bought, and what is left of the day is theirs."""
    prices = [price("0.30"), price("0.80"), price("0.60")]
    found = allowance(prices, RuleMoney(Budget(per_file=Decimal("0.60"))), [limit("0.90")], asked=False)

    assert Allowance(bought=(0, 2), dear=(1,)) == found


def test_files_of_different_prices_are_bought_in_their_order_as_far_as_they_fit() -> None:
    """A cheaper one does not overtake; one that nobody knows a price for holds no other."""
    mixed = allowance([price("0.30"), None, None, price("0.10")], RuleMoney(), [limit("1")], asked=False)
    full = allowance([price("0.30"), price("0.90"), price("0.10")], RuleMoney(), [limit("1")], asked=False)

    assert ((0, 1, 3), (0,)) == (mixed.bought, full.bought)


@pytest.mark.parametrize(
    ("unknown", "asked", "expected"),
    [
        (UnknownPrice.ASK, False, 1),
        (UnknownPrice.ASK, True, 0),
        (UnknownPrice.REFUSE, False, 0),
        (UnknownPrice.ALLOW, True, 10),
    ],
)
def test_an_unknown_price_is_learnt_from_one_file(unknown: UnknownPrice, asked: bool, expected: int) -> None:
    """Or as the rule says; never taken for nothing without being told so."""
    assert expected == len(allowed(10, None, limit("50"), asked=asked, unknown_price=unknown).bought)


def test_an_unknown_price_holds_nothing_where_no_limit_is() -> None:
    """Who sets no limit is not asked for a price."""
    assert Allowance(tuple(range(10))) == allowed(10, None, asked=True)


def test_an_unknown_price_holds_by_its_own_code() -> None:
    """So that who looks learns that it is not the limit."""
    found = allowed(10, None, limit("50"), asked=True)

    assert found.hold is not None
    assert PRICE_UNKNOWN == found.hold.code


def test_a_price_lies_between_the_least_and_the_most_that_was_charged() -> None:
    """And what was charged for failures, nothing, says nothing."""
    assert Price(Decimal("0.2"), Decimal("0.5")) == price_of([Decimal(0), Decimal("0.2"), Decimal("0.5")])
    assert price_of([Decimal(0)]) is None


@given(st.decimals(0, 1000, places=9), st.integers(1, 100))
def test_shares_of_an_amount_add_up_to_it(amount: Decimal, count: int) -> None:
    """However it is divided; none is negative."""
    found = shares(amount, count)

    assert (count, amount) == (len(found), sum(found))
    assert min(found) >= 0


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-29", 24)], ids=["spring", "autumn", "usual"]
)
def test_a_day_is_as_long_as_its_zone_makes_it(day: str, hours: int) -> None:
    """Both nights in which the clocks change, a limit begins anew at midnight of the zone."""
    begins = datetime.fromisoformat(day).replace(tzinfo=BERLIN).timestamp()

    assert hours * 3600 == day_ends(day, BERLIN) - begins
    assert [day, day] == [period_of(begins, BERLIN), period_of(day_ends(day, BERLIN) - 1, BERLIN)]
    assert day < period_of(day_ends(day, BERLIN), BERLIN)


@pytest.mark.parametrize(("day", "expected"), [("2026-01-31", "2026-02-01"), ("2026-12-01", "2027-01-01")])
def test_a_month_ends_with_its_last_day(day: str, expected: str) -> None:
    """Of whatever length it is."""
    assert datetime.fromisoformat(expected).replace(tzinfo=BERLIN).timestamp() == month_ends(day, BERLIN)


def test_a_clock_that_is_set_back_begins_no_day_anew() -> None:
    """The period on record never goes back."""
    yesterday = datetime(2026, 11, 28, 23, tzinfo=BERLIN).timestamp()

    assert "2026-11-29" == period_of(yesterday, BERLIN, latest="2026-11-29")


@given(st.integers(0, 4_000_000_000), st.sampled_from(["Europe/Berlin", "Pacific/Apia", "America/Havana", "UTC"]))
def test_every_moment_lies_before_the_end_of_its_day(now: int, name: str) -> None:
    """In every zone, where midnight may not exist and days were left out."""
    zone = ZoneInfo(name)
    period = period_of(now, zone)

    assert now < day_ends(period, zone) <= month_ends(period, zone)


class Buying(RuleBasedStateMachine):
    """Files are bought at a high estimate by rules that share a limit, and settled at that or less, in any order."""

    AMOUNT = Decimal(20)

    def __init__(self) -> None:
        super().__init__()
        self.charged = Decimal(0)
        self.open: list[Price] = []

    def now(self) -> Limit:
        """The limit as a look at the books would find it."""
        reserved = sum((each.high for each in self.open), Decimal(0))
        return Limit("per_day", "", self.AMOUNT, Stop.CAUTIOUS, self.charged, reserved, 0.0)

    @rule(wanted=st.integers(1, 100), low=CENTS, more=CENTS)
    def seal(self, wanted: int, low: Decimal, more: Decimal) -> None:
        """A batch as large as fits."""
        bought = Price(low, low + more)
        found = allowed(wanted, bought, self.now())
        assert len(found.bought) == wanted or found.hold is not None
        self.open += [bought] * len(found.bought)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        """What was bought costs no more than was expected; or fails, and costs nothing."""
        bought = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        self.charged += data.draw(st.decimals(0, bought.high, places=2))

    @invariant()
    def never_above_the_limit(self) -> None:
        """What is charged and what is reserved."""
        found = self.now()
        assert found.charged + found.reserved <= found.amount


TestBuying = Buying.TestCase


@given(now=st.floats(1e6, 4e9), zone=st.sampled_from([BERLIN, ZoneInfo("UTC"), None]), at=st.times())
def test_a_time_of_day_comes_every_day(now: float, zone: ZoneInfo | None, at: time) -> None:
    """The last one lies at most a day behind, and an hour more in the nights in which clocks change."""
    moment = latest_time_of_day(at.replace(microsecond=0), now, zone)

    assert moment <= now < moment + 25 * 3600 + 1
