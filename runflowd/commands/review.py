"""`runflowd review`: the results that wait for a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from runflowd.commands.command_client import CommandClient
from runflowd.commands.formatting import print_lines, say, wait_for_review
from runflowd.commands.options import config_option, echo_json, json_option
from runflowd.commands.plain_table import table
from runflowd.commands.shell_complete import rule_names

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@config_option
@json_option
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The most results shown.")
@click.argument("rule", required=False, shell_complete=rule_names)
def command(place: Path | None, rule: str | None, limit: int, *, as_json: bool) -> None:
    """Show the results of RULE, or of all rules, that wait for review, and where each is to be seen.

    `runflowd accept` and `runflowd reject` judge them.
    """
    asking = CommandClient(place)
    found: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    further: dict[str, Any] | None = {}
    while further is not None and len(found) < limit:  # in pages, between which the daemon serves others
        page = asking.ask("review", rule=rule, limit=limit - len(found), **further)
        found += page["items"]
        counts, further = page["counts"], page["next"]
    waiting = sum(counts.values()) if rule is None else counts.get(rule, 0)
    if as_json:
        echo_json({"waiting": waiting, "items": found})
        return
    print_lines(table(["rule", "file", "result"], [_row(item) for item in found]) if found else ())
    say(f"{wait_for_review(waiting)}." if waiting else "Nothing waits.")


def _row(item: dict[str, Any]) -> list[str]:
    first, *others = item["results"] or [""]
    return [item["rule"], item["path"], f"{first}{f' and {len(others)} more' if others else ''}"]
