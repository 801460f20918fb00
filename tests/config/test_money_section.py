"""The section `money`, and the budget and price of a rule: what arrives, and how a slip is answered."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from runflowd.config import load
from runflowd.config.describe import describe
from runflowd.core.money import Budget, Money, RuleMoney, Stop, UnknownPrice
from runflowd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

RULE = """rules:
  studio:
    watch: in
    output: out
    model: runflow/upscale
"""


def written(folder: Path, money: str = "", rule: str = "", service: str = "{api_key_file: key}") -> Path:
    """A configuration with this section, and these lines in its rule."""
    path = folder / "runflowd.yaml"
    path.write_text(f"service: {service}\n{money}\n{RULE}{rule}")
    return path


def test_every_key_arrives_exactly(tmp_path: Path) -> None:
    """As decimals: a tenth is a tenth."""
    path = written(
        tmp_path,
        "money: {timezone: Europe/Berlin, currency: EUR, budget: {per_day: 0.1, per_month: 600, stop: soft}}",
        "    budget: {per_day: 20, per_file: 0.60}\n    price: 0.35\n    unknown_price: refuse\n",
    )
    own = RuleMoney(Budget(Decimal(20), None, Decimal("0.6")), Decimal("0.35"), UnknownPrice.REFUSE)

    expected = Money(
        ZoneInfo("Europe/Berlin"), Budget(Decimal("0.1"), Decimal(600), stop=Stop.SOFT), {"studio": own}, "EUR"
    )
    assert expected == load(path).money == load(path).money_in_force


def test_this_machine_takes_no_money(tmp_path: Path) -> None:
    """No limit counts with `service: local`, and `check` says so."""
    config = load(written(tmp_path, "money: {budget: {per_day: 1}}", service="local"))

    assert Money() == config.money_in_force
    assert "What is said of money counts for nothing: this machine takes none." in describe(config)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("plenty", "is no number; write a plain number, such as 0.35"),
        (".nan", "is no finite number"),
        (".inf", "is no finite number"),
        ("-3", "is negative"),
        ("0", "is 0, which would stop everything"),
        ("0.0", "is 0, which would stop everything"),
        (
            "20 EUR",
            "names a currency, which `money.currency` does for all amounts (USD by default); write a plain number",
        ),
        (
            "20 €",
            "names a currency, which `money.currency` does for all amounts (USD by default); write a plain number",
        ),
        ("$20", "is text; amounts are numbers without quotes or a sign: write 20"),
        ("'20.50'", "is text; amounts are numbers without quotes or a sign: write 20.50"),
        ("'1,000'", "is text; amounts are numbers without quotes or a sign: write 1000"),
        ("true", "is no amount of money"),
        ("1e300", "is out of range"),
        ("0.12345678901", "is out of range"),
    ],
)
def test_an_amount_that_is_none_is_refused_at_its_place(tmp_path: Path, amount: str, expected: str) -> None:
    """With file, line and column, and what is meant."""
    path = written(tmp_path, f"money: {{budget: {{per_day: {amount}}}}}")
    with pytest.raises(ConfigError) as refused:
        load(path)

    assert f"{path}:2:27: money.budget.per_day: {expected}" in str(refused.value)


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Europe/Berlinn", "is no time zone; did you mean Europe/Berlin?"),
        ("Berlin", "is no time zone; did you mean Europe/Berlin?"),
        ("12345678", "is no time zone; write one such as Europe/Berlin"),
    ],
)
def test_a_mistyped_zone_is_refused_with_what_is_meant(tmp_path: Path, zone: str, expected: str) -> None:
    """A limit that begins anew at the wrong hour is found when it is too late."""
    path = written(tmp_path, f"money: {{timezone: '{zone}'}}")
    with pytest.raises(ConfigError) as refused:
        load(path)

    assert f"{path}:2:19: money.timezone: {expected}" in str(refused.value)


@pytest.mark.parametrize(
    ("written_as", "meant"),
    [
        ("EURO", "did you mean EUR?"),
        ("eur", "did you mean EUR?"),
        ("€", "did you mean EUR?"),
        ("dollars", "did you mean USD?"),
        ("12345678", "write its ISO 4217 code, such as EUR"),
    ],
)
def test_a_mistyped_currency_is_refused_with_what_is_meant(tmp_path: Path, written_as: str, meant: str) -> None:
    """Every amount would be held against the wrong money."""
    path = written(tmp_path, f"money: {{currency: '{written_as}'}}")
    with pytest.raises(ConfigError) as refused:
        load(path)

    assert f"{path}:2:19: money.currency: is no currency; {meant}" in str(refused.value)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("price: 20 EUR", "8:12: rules.studio.price: names a currency"),
        ("price: 0", "8:12: rules.studio.price: is 0, but what is free needs no price; leave it out"),
        ("price: .inf", "or leave it out to go by what is charged"),
        ("budget: {per_file: 0}", "8:24: rules.studio.budget.per_file: is 0, so no file could be bought"),
    ],
)
def test_a_slip_in_a_rule_is_answered_in_words_about_its_key(tmp_path: Path, line: str, expected: str) -> None:
    """A price is no limit, and what is wrong with it is said of prices."""
    path = written(tmp_path, "", f"    {line}\n")
    with pytest.raises(ConfigError) as refused:
        load(path)

    assert expected in str(refused.value)


@pytest.mark.parametrize(
    ("money", "rule", "expected"),
    [
        (
            "money: {timezone: Asia/Tokyo, budget: {per_day: 50, per_month: 600}}",
            "",
            (
                "all rules together: at most $50 a day and $600 a month may be spent, "
                "at the highest price to be expected; a day begins at midnight in Asia/Tokyo."
            ),
        ),
        (
            "",
            "    budget: {per_file: 0.6}\n    price: 0.35\n",
            (
                "studio: at most $0.6 for one file may be spent, at the highest price to be expected, $0.35 a file; "
                "a day begins at midnight in the time zone of this machine."
            ),
        ),
        (
            "money: {currency: EUR, budget: {per_day: 50}}",
            "",
            (
                "all rules together: at most 50 EUR a day may be spent, at the highest price to be expected; "
                "a day begins at midnight in the time zone of this machine."
            ),
        ),
        (
            "money: {budget: {per_day: 50, stop: notify}}",
            "",
            (
                "all rules together: more than $50 a day is reported and stops nothing; "
                "a day begins at midnight in the time zone of this machine."
            ),
        ),
    ],
)
def test_limits_are_told_in_plain_words(tmp_path: Path, money: str, rule: str, expected: str) -> None:
    """What `check` says of them."""
    assert expected in describe(load(written(tmp_path, money, rule)))
