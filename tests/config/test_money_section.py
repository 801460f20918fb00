"""The section `money`, and the budget and price of a rule: what arrives, and how a slip is answered."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from runflowd.config import load
from runflowd.config.description import describe
from runflowd.core.approval_policy import USUAL_APPROVAL, ApprovalPolicy
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
    own = RuleMoney(Budget(Decimal(20), None, Decimal("0.6")), Decimal("0.35"), UnknownPrice.REFUSE, USUAL_APPROVAL)

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


@pytest.mark.parametrize(
    ("defaults", "rule", "expected"),
    [
        ("", "", USUAL_APPROVAL),
        ("", "approve: {}", ApprovalPolicy()),
        ("", "approve: {first: 10, above_files: 200, above_cost: 25}", ApprovalPolicy(10, 200, Decimal(25))),
        ("defaults: {approve: {first: 5, above_files: 9}}", "approve: {first: 10}", ApprovalPolicy(10, 9)),
    ],
)
def test_what_is_said_of_approvals_arrives_key_by_key(
    tmp_path: Path, defaults: str, rule: str, expected: ApprovalPolicy
) -> None:
    """A rule's own, else that of `defaults`; a rule of which nothing is said asks about a large import alone."""
    config = load(written(tmp_path, defaults, f"    {rule}\n"))

    assert expected == config.money_in_force.of("studio").approve


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("", "where a new rule finds more than 1,000 files."),
        (
            "approve: {first: 5, above_files: 200}",
            "after a sample of 5 and where more than 200 files are there",
        ),
    ],
)
def test_check_says_when_files_wait_for_a_person(tmp_path: Path, rule: str, expected: str) -> None:
    """By the command that lets them pass."""
    said = describe(load(written(tmp_path, "", f"    {rule}\n")))

    assert f"studio: files wait for `runflowd approve studio` {expected}" in "\n".join(said)


def test_nobody_is_asked_about_what_this_machine_does(tmp_path: Path) -> None:
    """It costs nothing."""
    config = load(written(tmp_path, "", "    approve: {first: 1}\n", service="local"))

    assert ApprovalPolicy() == config.money_in_force.of("studio").approve


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{first: 0}", "8:22: rules.studio.approve.first: is 0, so nothing could be bought before an approval"),
        ("{first: -3}", "8:22: rules.studio.approve.first: is negative; write a number of files, such as 10"),
        ("{first: ten}", "8:22: rules.studio.approve.first: is no number of files; write a whole number"),
        ("{first: 2.5}", "8:22: rules.studio.approve.first: is no number of files; write a whole number"),
        (
            "{above_files: 0}",
            "8:28: rules.studio.approve.above_files: is 0, so every file would wait; write",
        ),
        ("{above_files: 1e12}", "8:28: rules.studio.approve.above_files: is no number of files"),
        ("{above_cost: much}", "8:27: rules.studio.approve.above_cost: is no number; write a plain number"),
        ("{above_cost: 0}", "8:27: rules.studio.approve.above_cost: is 0, so every file would wait"),
        ("{after: 10}", "8:15: rules.studio.approve.after: unknown key; there are first, above_files, above_cost"),
        ("{above: 10}", "8:15: rules.studio.approve.above: unknown key; did you mean above_"),
    ],
)
def test_a_slip_about_approvals_is_answered_at_its_place(tmp_path: Path, line: str, expected: str) -> None:
    """With what is meant."""
    path = written(tmp_path, "", f"    approve: {line}\n")
    with pytest.raises(ConfigError) as refused:
        load(path)

    assert expected in str(refused.value)


def test_the_key_that_asked_before_is_answered_with_the_one_that_does_now(tmp_path: Path) -> None:
    """Where it was left out it does the same by default."""
    with pytest.raises(ConfigError) as refused:
        load(written(tmp_path, "limits: {unasked: 500}"))

    assert "2:10: limits.unasked: unknown key; `approve: {above_files: 1000}` of a rule" in str(refused.value)
