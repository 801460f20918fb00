"""What a plan says a limit lets through is what the limit then lets through."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.money import Limit, Price, RuleMoney, Stop, UnknownPrice, allowance
from runflowd.core.outlay import Outlay, Passing, let_through

CENTS = st.decimals("0.01", "3", places=2)
PRICES = st.builds(lambda low, more: Price(low, low + more), CENTS, CENTS)


def limit(stop: Stop = Stop.CAUTIOUS, charged: str = "0", reserved: str = "0", amount: str = "5") -> Limit:
    """A day's limit of all rules."""
    return Limit("per_day", "", Decimal(amount), stop, Decimal(charged), Decimal(reserved), 0.0)


@given(PRICES, st.integers(0, 50), st.sampled_from([Stop.CAUTIOUS, Stop.SOFT]), CENTS)
def test_as_many_pass_as_a_seal_would_take(price: Price, files: int, stop: Stop, charged: Decimal) -> None:
    """And of a cautious limit no more is spent than there is."""
    found = limit(stop, charged=str(charged))
    passing = let_through(found, Outlay(Counter({price: files})))

    assert len(allowance([price] * files, RuleMoney(), [found], asked=False).bought) == passing.files
    assert passing.left == found.left - price.high * passing.files
    assert stop is Stop.SOFT or passing.left >= 0


@pytest.mark.parametrize(("reserved", "expected"), [("4", 3), ("5", 0)])
def test_files_of_unknown_price_pass_while_anything_is_left(reserved: str, expected: int) -> None:
    """As `unknown_price: allow` has it; else they are counted apart."""
    passing = let_through(limit(reserved=reserved), Outlay(Counter({None: 3})))
    own = RuleMoney(unknown_price=UnknownPrice.ALLOW)

    assert Passing(expected, limit(reserved=reserved).left) == passing
    assert expected == len(allowance([None] * 3, own, [limit(reserved=reserved)], asked=False).bought)


@given(st.lists(st.dictionaries(st.none() | PRICES, st.integers(1, 9), max_size=4), max_size=4))
def test_what_rules_cost_adds_up(parts: list[dict[Price | None, int]]) -> None:
    """Of those of unknown price the number."""
    outlays = [Outlay(Counter(part)) for part in parts]
    whole = Outlay.of(outlays)

    assert (whole.files, whole.low, whole.high, whole.unknown) == (
        sum(each.files for each in outlays),
        sum((each.low for each in outlays), Decimal(0)),
        sum((each.high for each in outlays), Decimal(0)),
        sum(each.unknown for each in outlays),
    )
    assert whole.above(Decimal(0)) == whole.files - whole.unknown
