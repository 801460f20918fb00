"""Spend as a pure function: the report of the command in words, bars and aligned numbers."""

from __future__ import annotations

from typing import Any

from runflowd.web.spend_view import GROUPINGS, spend_page


def row(name: str, spent: str, refunded: str = "0.00", currency: str = "USD") -> dict[str, Any]:
    """One sum of the report, whatever it is grouped by."""
    sums = {"spent": spent, "refunded": refunded, "presumed": "0.00", "presumptions": 0, "purchases": 1}
    return {**dict.fromkeys(GROUPINGS, name), **sums, "currency": currency}


def report(*rows: dict[str, Any], **changes: Any) -> dict[str, dict[str, Any]]:
    """The three reports, all of these rows."""
    besides: dict[str, Any] = {"totals": [], "reserved": [], "unknown": [], "hosted": "0", "timezone": None}
    return {each: {"rows": list(rows), **besides, **changes} for each in GROUPINGS}


def test_amounts_of_a_table_have_the_same_digits() -> None:
    """So that they can be read from top to bottom; cents where there is nothing smaller."""
    fine = spend_page("all", "", "", report(row("a", "0.0125"), row("b", "3.50", "-0.02")), ()).tables[1]
    whole = spend_page("all", "", "", report(row("a", "12.00"), row("b", "3.50")), ()).tables[1]

    assert [("$0.0125", ""), ("$3.5000", "$0.0200")] == [(each.spent, each.refunded) for each in fine.rows]
    assert (["$12.00", "$3.50"], False) == ([each.spent for each in whole.rows], whole.refunds)


def test_a_bar_is_a_part_of_the_largest_of_its_currency() -> None:
    """What was given back in whole has none."""
    rows = (row("a", "4"), row("b", "1"), row("c", "-1"), row("d", "2", currency="EUR"))

    shares = [each.share for each in spend_page("all", "", "", report(*rows), ()).tables[1].rows]

    assert [100.0, 25.0, 0.0, 100.0] == shares


def test_days_are_the_latest_first() -> None:
    """Others are in the order of their names."""
    days, rules, _ = spend_page("30d", "", "", report(row("2026-11-28", "1"), row("2026-11-29", "1")), ()).tables

    assert ["2026-11-29", "2026-11-28"] == [each.name for each in days.rows]
    assert ["2026-11-28", "2026-11-29"] == [each.name for each in rules.rows]


def test_what_is_not_charged_yet_is_said_beside() -> None:
    """Reserved, in doubt, presumed, and what this machine did at no cost."""
    total = {**row("", "9.00"), "presumed": "1.50", "presumptions": 2}
    reserved = {"currency": "USD", "files": 3, "amount": "0.30", "unpriced": 1}
    found = report(totals=[total], reserved=[reserved], unknown=[{**reserved, "unpriced": 3}], hosted="0.35")

    page = spend_page("30d", "", "", found, ())

    assert (("$9.00",), "1 purchase") == (page.totals, page.purchases)
    assert (
        "Of it $1.50 is presumed: its outcome is unknown.",
        "Reserved besides: up to $0.30 for 2 files and 1 file of unknown price.",
        "Of unknown outcome, perhaps charged: 3 files of unknown price.",
        "What this machine did at no cost would have cost about $0.35 there.",
    ) == page.besides
