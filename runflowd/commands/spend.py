"""`runflowd spend`: what was charged, by rule, day, month, folder or model; and whether the service says the same."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any

import click

from runflowd.commands.command_client import ask
from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import print_lines, say
from runflowd.commands.options import config_option, echo_json, json_option
from runflowd.commands.plain_table import table
from runflowd.core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GROUPINGS = ("rule", "day", "month", "folder", "model")
SUMS = ("purchases", "charged", "refunded", "spent")

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How cells begin that spreadsheets compute. Folder names are anybody's."""


@click.command()
@config_option
@json_option
@click.option("--by", type=click.Choice(GROUPINGS), default="rule", show_default=True, help="What sums are made by.")
@click.option("--since", metavar="DAY", help="From this day on, such as 2026-11-01, or for a span such as 7d.")
@click.option("--until", metavar="DAY", help="To the end of this day.")
@click.option("--csv", "as_csv", is_flag=True, help="Answer in CSV, for spreadsheets; without the total.")
@click.option(
    "--check", "checks", is_flag=True, help="Hold the ledger against the service's runs; exit code 3 if they differ."
)
def command(
    place: Path | None, by: str, since: str | None, until: str | None, *, as_json: bool, as_csv: bool, checks: bool
) -> int:
    """Show what was charged, by the time of charge, and beside it what is reserved and what is of unknown outcome.

    Days are those of `money.timezone`. Amounts are never summed across currencies. Both purchases of a file that
    was bought again count, and so does what failed and was charged.

    With `--check` the service's list of runs is read, which changes nothing, and each purchase that it tells
    otherwise is named: charged there and not here, here and not there, or at another amount.
    """
    if as_csv and (as_json or checks):
        raise CommandError("--csv goes with neither --json nor --check", Exit.USAGE)
    if checks:
        # Imported here: sums have no use for a network.
        from runflowd.commands.spend_check import check_ledger  # noqa: PLC0415

        return check_ledger(place, since, until, as_json=as_json)
    report = ask(place, "spend", by=by, since=since, until=until)
    if as_json:
        echo_json(report)
    elif as_csv:
        _print_csv(report)
    else:
        _print_table(report, since, until)
    return Exit.DONE


def _print_csv(report: dict[str, Any]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*report["columns"], "currency", *SUMS])
    for row in report["rows"]:
        group = [row[name] for name in report["columns"]]
        safe = [f"'{each}" if each.startswith(_FORMULA) else each for each in group]
        writer.writerow([*safe, row["currency"], *(row[name] for name in SUMS)])


def _print_table(report: dict[str, Any], since: str | None, until: str | None) -> None:
    print_lines(_table(report) if report["rows"] else ["Nothing was charged."])
    span = " ".join(part for part in (f"since {since}" if since else "", f"until {until}" if until else "") if part)
    zone = f"days of {report['timezone']}" if report["timezone"] else "days of this machine's time zone"
    say(click.style(printable(f"By the time of charge{f', {span}' if span else ''}; {zone}."), dim=True))
    for sentence in _besides(report):
        say(printable(sentence))


def _table(report: dict[str, Any]) -> Iterator[str]:
    columns, refunds = report["columns"], any(row["refunded"] != "0.00" for row in report["rows"])
    sums = [name for name in SUMS if refunds or name not in {"charged", "refunded"}]
    rows = [[*(row[name] or "." for name in columns), *_cells(row, sums)] for row in report["rows"]]
    first = ["total", *[""] * (len(columns) - 1)]
    rows += [[*first, *_cells(whole, sums)] for whole in report["totals"]]
    return table([*columns, *sums, "currency"], rows, sums)


def _cells(sums: dict[str, Any], names: list[str]) -> list[str]:
    return [*(str(sums[name]) for name in names), sums["currency"]]


def _besides(report: dict[str, Any]) -> Iterator[str]:
    for each in report["totals"]:
        if each["presumptions"]:
            what = _files(each["presumptions"], "purchase")
            yield f"Of it {each['presumed']} {each['currency']} is presumed: {what} of unknown outcome, made once more."
    for each in report["reserved"]:
        yield f"Reserved besides: {_at_most(each)} on the way."
    for each in report["unknown"]:
        yield (f"Of unknown outcome, perhaps charged: {_at_most(each)}. `runflowd list --state unknown` names them.")
    hosted = report["hosted"] != "0"
    if report["local"]:
        yield "`service: local` takes no money."
    if hosted:
        yield f"For what this machine did at no cost, the hosted service would have taken about ${report['hosted']}."


def _at_most(each: dict[str, Any]) -> str:
    priced = each["files"] - each["unpriced"]
    parts = [f"up to {each['amount']} {each['currency']} for {_files(priced)}"] if priced else []
    parts += [f"{_files(each['unpriced'])} of unknown price"] if each["unpriced"] else []
    return " and ".join(parts)


def _files(count: int, noun: str = "file") -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
