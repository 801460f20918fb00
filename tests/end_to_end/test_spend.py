"""`runflowd spend` as people call it: the table, CSV, JSON, what is no day, and the check against a real service."""

from __future__ import annotations

import csv
import json
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from command_line import WITH_KEY, Desk

from runflowd.store import open_store

if TYPE_CHECKING:
    from local_service import ServiceProcess

    from runflowd.store import Connection

NOON = 1_796_900_400.0
"""2026-12-10, 12:00 in Berlin."""


def prepare(desk: Desk, *rows: dict[str, Any], service: Any = None) -> None:
    """A configuration, and a state file with these movements."""
    desk.input.mkdir(exist_ok=True)
    desk.configure(service or {"url": "http://127.0.0.1:9", "allow_http": True})
    text = json.loads(desk.config.read_text())
    desk.config.write_text(json.dumps({**text, "money": {"timezone": "Europe/Berlin"}}))

    def write(connection: Connection) -> None:
        for number, row in enumerate(rows):
            facts = {"key": f"{number:032x}", "item": number, "kind": "charge", "currency": "USD", "at": NOON}
            facts |= {"period": "2026-12-10", "service": "s", "rule": "one", "dir": b"", "model": "m", "run": ""}
            facts |= row
            connection.run("save_account", **{name: facts[name] for name in ("service", "model", "rule")})
            connection.run("insert_movement", **facts)

    async def fill() -> None:
        async with open_store(desk.state) as store:
            await store.write(partial(write))

    anyio.run(fill)


def test_the_table_ends_with_a_total_for_each_currency(desk: Desk) -> None:
    """Refunds are shown where there are any, and the zone in which days are meant."""
    prepare(
        desk,
        {"amount": "0.3"},
        {"amount": "0.3", "rule": "two"},
        {"amount": "-0.1", "kind": "refund", "rule": "two"},
        {"amount": "2", "currency": "EUR"},
    )
    said = desk.call("spend")

    assert (
        0,
        [
            "rule   purchases  charged  refunded  spent  currency",
            "one            1     2.00      0.00   2.00  EUR",
            "one            1     0.30      0.00   0.30  USD",
            "two            1     0.30     -0.10   0.20  USD",
            "total          1     2.00      0.00   2.00  EUR",
            "total          2     0.60     -0.10   0.50  USD",
            "By the time of charge; days of Europe/Berlin.",
        ],
    ) == (said.code, [line.rstrip() for line in said.out.splitlines() if line.strip()])


def test_what_is_presumed_is_named_beside_the_sum_that_it_is_in(desk: Desk) -> None:
    """A purchase of unknown outcome, of a file that was bought again: it counts, and nobody has stated it."""
    prepare(desk, {"amount": "0.3", "kind": "presumed"}, {"amount": "0.3"})
    said = desk.call("spend")

    assert ["one", "2", "0.60", "USD"] in [line.split() for line in said.out.splitlines()]
    assert "Of it 0.30 USD is presumed: 1 purchase of unknown outcome, made once more." in said.out


def test_a_folder_name_is_no_formula_in_a_spreadsheet(desk: Desk) -> None:
    """Whoever drops files names folders."""
    prepare(desk, {"amount": "0.3", "dir": b"=HYPERLINK(1)"})
    said = desk.call("spend", "--by", "folder", "--csv")

    assert [
        ["rule", "folder", "currency", "purchases", "charged", "refunded", "spent"],
        ["one", "'=HYPERLINK(1)", "USD", "1", "0.30", "0.00", "0.30"],
    ] == list(csv.reader(StringIO(said.out)))


@pytest.mark.parametrize(
    ("span", "purchases"),
    [
        ((), 3),
        (("--since", "2026-12-10"), 2),
        (("--until", "2026-12-10"), 2),
        (("--since", "2026-12-10", "--until", "2026-12-10"), 1),
        (("--since", "100000d"), 3),
    ],
)
def test_a_span_is_of_whole_days_in_the_zone_of_the_configuration(
    desk: Desk, span: tuple[str, ...], purchases: int
) -> None:
    """From the beginning of the first to the end of the last."""
    midnight = NOON - 12 * 3600
    prepare(desk, {"amount": "1", "at": midnight - 1}, {"amount": "1", "at": midnight}, {"amount": "1", "at": NOON * 2})
    found = desk.call("spend", "--json", *span).json

    assert purchases == found["totals"][0]["purchases"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--since", "2026-13-01"), "--since 2026-13-01 is no day; write one such as 2026-11-29, or a span such as 7d"),
        (("--since", "2026-12-02", "--until", "2026-12-01"), "--since 2026-12-02 is not before --until 2026-12-01"),
        (("--csv", "--json"), "--csv goes with neither --json nor --check"),
        (("--check", "--since", "yesterday"), "--since yesterday is no day"),
    ],
)
def test_what_cannot_be_meant_is_a_mistake_of_usage(desk: Desk, options: tuple[str, ...], words: str) -> None:
    """With what to write in its place."""
    prepare(desk)
    said = desk.call("spend", *options)

    assert (2, True) == (said.code, words in said.err)


@pytest.mark.parametrize(
    ("option", "words"), [("--by=rule", "Nothing was charged"), ("--check", "no ledger to compare")]
)
def test_this_machine_takes_no_money(desk: Desk, option: str, words: str) -> None:
    """With `service: local` there is nothing to spend, and nothing to compare."""
    prepare(desk, service="local")
    said = desk.call("spend", option)

    assert (0, True, True) == (said.code, words in said.out, "`service: local` takes no money" in said.out)


def test_the_check_ends_with_3_where_the_books_differ_and_names_the_purchase(
    desk: Desk, bare_service: ServiceProcess
) -> None:
    """Charged here, and of no run at the service."""
    hosted = {"url": bare_service.url, "allow_http": True}
    prepare(desk, service=hosted)
    agree = desk.call("spend", "--check", env=WITH_KEY)
    prepare(desk, {"amount": "0.3", "service": bare_service.url}, service=hosted)
    differ = desk.call("spend", "--check", env=WITH_KEY)
    told = desk.call("spend", "--check", "--json", env=WITH_KEY).json

    assert (0, True) == (agree.code, "The ledger and the service agree." in agree.out)
    assert (3, True) == (differ.code, "charged here, not there" in differ.out)
    assert [("only_here", f"{0:032x}", "one", {"USD": "0.3"}, {})] == [
        (each["kind"], each["reference"], each["rule"], each["here"], each["there"]) for each in told["differences"]
    ]
