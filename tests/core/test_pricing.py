"""What a file costs by the pricing rules of the catalogue: ranges, and what is not guessed at."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from runflowd.core.money import Price
from runflowd.core.pricing import PricingRule, foreign_currency, price_range


def rule(price: str, effect: str = "base", unit: str = "request", **says: Any) -> PricingRule:
    """A pricing rule of the catalogue."""
    return PricingRule(effect, unit, Decimal(price), **says)


FLAT = rule("0.35")
BY_RESOLUTION = [
    rule("0.15", unit="image"),
    rule("0.30", unit="image", input="resolution", match="4K"),
]
SECONDS = rule("0.3024", unit="second")
TIERS = [
    rule("0.08", dimension="megapixel", least=Decimal(0), most=Decimal(24)),
    rule("0.16", dimension="megapixel", least=Decimal(24)),
]


@pytest.mark.parametrize(
    ("rules", "given", "low", "high"),
    [
        ([FLAT], {}, "0.35", "0.35"),
        (BY_RESOLUTION, {"resolution": "4K"}, "0.30", "0.30"),
        (BY_RESOLUTION, {"resolution": "1K"}, "0.15", "0.15"),
        (BY_RESOLUTION, {}, "0.15", "0.30"),
        (BY_RESOLUTION, {"resolution": "4k", "num_images": 3}, "0.90", "0.90"),
        ([SECONDS], {"duration": 5}, "1.512", "1.512"),
        ([SECONDS], {"duration": "8s"}, "2.4192", "2.4192"),
        ([rule("0.10", unit="second", least=Decimal(2), most=Decimal(10))], {}, "0.2", "1.0"),
        ([rule("0.01", unit="megapixel", most=Decimal(24))], {}, "0", "0.24"),
        (TIERS, {}, "0.08", "0.16"),
        ([FLAT, rule("2", "multiplier", input="quality", match="high")], {"quality": "high"}, "0.70", "0.70"),
        ([FLAT, rule("2", "multiplier", input="quality", match="high")], {"quality": "low"}, "0.35", "0.35"),
        ([FLAT, rule("2", "multiplier", input="quality", match="high")], {}, "0.35", "0.70"),
        ([FLAT, rule("0.5", "multiplier", input="draft", match="true")], {}, "0.175", "0.35"),
        ([FLAT, rule("0.05", "surcharge", input="shadow", match="true")], {"shadow": True}, "0.40", "0.40"),
        ([FLAT, rule("0.05", "surcharge", input="shadow", match="true")], {}, "0.35", "0.40"),
    ],
)
def test_a_price_is_a_range_of_all_that_is_possible(
    rules: list[PricingRule], given: dict[str, Any], low: str, high: str
) -> None:
    """An input that is not sent has a default that nobody tells, so each of its prices may be the one."""
    found = price_range(rules, given)

    assert isinstance(found, Price), found
    assert (Decimal(low), Decimal(high)) == (found.low, found.high)


@pytest.mark.parametrize(
    ("rules", "pixels", "low", "high"),
    [
        ([rule("0.01", unit="megapixel")], 12_000_000, "0.12", "0.12"),
        ([rule("0.01", unit="megapixels")], 12_300_000, "0.123", "0.13"),
        ([rule("0.01", unit="MP")], 192, "0.00000192", "0.01"),
        (TIERS, 12_000_000, "0.08", "0.08"),
        (TIERS, 25_000_000, "0.16", "0.16"),
        (TIERS, 23_999_999, "0.08", "0.16"),
    ],
)
def test_a_price_by_the_megapixel_is_that_of_the_image_that_is_sent(
    rules: list[PricingRule], pixels: int, low: str, high: str
) -> None:
    """At most as if each begun one were billed; at a bound, as on either side of it."""
    assert Price(Decimal(low), Decimal(high)) == price_range(rules, {}, pixels)


@pytest.mark.parametrize(
    ("rules", "given", "expected"),
    [
        ([], {}, "the catalogue has no price for it"),
        ([rule("0")], {}, "its price in the catalogue is 0, which is no price"),
        ([SECONDS], {}, "it is priced by the second, and how many a file has is not known"),
        ([rule("0.01", unit="megapixel")], {}, "it is priced by the megapixel, and how many a file has is not known"),
        ([rule("0.01", unit="token")], {}, "it is priced by the token, and how many a file has is not known"),
        ([FLAT, rule("0.1", "cashback")], {}, "its pricing has a rule of an unknown kind, cashback"),
        ([rule("2", "multiplier")], {}, "the catalogue has no price for it"),
    ],
)
def test_what_cannot_be_told_is_not_guessed_at(rules: list[PricingRule], given: dict[str, Any], expected: str) -> None:
    """A price that is too low would let limits be passed; the reason names what is in the way."""
    assert expected == price_range(rules, given)


def test_a_rule_for_other_inputs_is_in_nobodys_way() -> None:
    """Though it is in words that are not known."""
    other = rule("9", "cashback", input="resolution", match="8K")

    assert Price(Decimal("0.35"), Decimal("0.35")) == price_range([FLAT, other], {"resolution": "1K"})


@pytest.mark.parametrize(
    ("told", "ours", "expected"), [("", "EUR", ""), (" usd", "USD", ""), ("EUR", "USD", "EUR"), ("USD", "EUR", "USD")]
)
def test_a_price_in_another_currency_is_told_from_one_in_ours(told: str, ours: str, expected: str) -> None:
    """Where none is named, the service bills in ours."""
    assert expected == foreign_currency([rule("0.35"), rule("0.35", currency=told)], ours)
