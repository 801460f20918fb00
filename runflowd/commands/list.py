"""`runflowd list`: the files that runflowd knows, one line each."""

from __future__ import annotations

import shlex
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from runflowd.commands.command_client import CommandClient
from runflowd.commands.formatting import MAX_REASON_LENGTH, price, print_lines, say, wait_for_review
from runflowd.commands.options import config_option, echo_json, json_option
from runflowd.commands.plain_table import table
from runflowd.commands.shell_complete import rule_names
from runflowd.core.lifecycle import ItemState
from runflowd.core.printable import printable, short_id, shortened
from runflowd.core.state_words import SETTLING, STATE_WORDS, TO_REVIEW, state_word

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@config_option
@json_option
@click.option("--rule", shell_complete=rule_names, help="Only files of this rule.")
@click.option("--state", type=click.Choice([SETTLING, *STATE_WORDS, TO_REVIEW]), help="Only files in this state.")
@click.option("--batch", help="Only files of this batch, by the id shown or the service's.")
@click.option("--path", "pattern", help="Only files whose path below the watched folder matches, such as 'shoes/*'.")
@click.option("--name", help="Only files whose name has this in it, whatever the case of its letters.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The most files shown.")
@click.option(
    "--after", type=click.IntRange(0), default=0, help="Go on behind this id, which the last list ended with."
)
def command(
    place: Path | None,
    rule: str | None,
    state: str | None,
    batch: str | None,
    pattern: str | None,
    name: str | None,
    limit: int,
    after: int,
    *,
    as_json: bool,
) -> None:
    """List files by rule, state, path, name or batch, oldest first.

    The states are those that `status` counts, in the same words. Last come the files that are still settling, of which
    only a running daemon knows.
    """
    wanted = {"rule": rule, "state": state, "batch": batch, "pattern": pattern, "part": name}
    chosen: list[dict[str, Any]] = []
    paused: list[dict[str, Any]] = []
    asking = CommandClient(place)
    further: int | None = after
    to_review: dict[str, int] = {}
    unlisted: int | None = 0
    while further is not None and len(chosen) < limit:  # in pages, between which the daemon serves others
        page = asking.ask("list", **wanted, after=further, limit=limit - len(chosen))
        chosen += page["items"]
        further, paused, to_review, unlisted = page["next"], page["paused"], page["to_review"], page["unlisted"]
    if as_json:
        echo_json({"items": chosen, "next": further, "unlisted": unlisted})
        return
    print_lines(_lines(chosen))
    if further is not None:
        narrowed = {"--rule": rule, "--state": state, "--batch": batch, "--path": pattern, "--name": name}
        say(f"more: {_again({'-c': place, **narrowed, '--limit': limit, '--after': further})}")
    if unlisted:
        say(f"and {unlisted:,} more that are settling")
    if state == SETTLING and unlisted is None:
        say("No daemon runs, and only a running one knows which files are settling.")
    rules = {item["rule"] for item in chosen}
    if waiting := sum(count for name, count in to_review.items() if name in rules):
        say(f"{wait_for_review(waiting)}: `runflowd review{f' {rule}' if rule else ''}`")
    for pause in (each for each in paused if each["rule"] in rules or not each["rule"]):
        remedy = pause["remedy"].removesuffix(".")
        sentence = f"Paused: {pause['subject']}. {remedy[:1].upper()}{remedy[1:]}."
        say(click.style(printable(sentence), fg="yellow"))


def _again(options: dict[str, Any]) -> str:
    """The command that goes on where this one stopped."""
    given = {name: value for name, value in options.items() if value is not None and (name, value) != ("--limit", 50)}
    return shlex.join(["runflowd", "list", *(str(word) for pair in given.items() for word in pair)])


def _price(item: dict[str, Any]) -> str:
    cost, hosted = (Decimal(item[name]) if item[name] is not None else None for name in ("cost", "hosted"))
    return price(cost, hosted, item["currency"])


_VERDICTS = {"accepted", "rejected"}


def _state(item: dict[str, Any]) -> str:
    if item.get("review") == "waiting":
        return TO_REVIEW
    return SETTLING if item["state"] == SETTLING else state_word(ItemState(item["state"]))


def _standing(item: dict[str, Any]) -> str:
    """What else there is to be said of a file that has no trouble."""
    verdict = item["review"] if item.get("review") in _VERDICTS else ""
    return ", ".join(filter(None, (verdict, "" if item["current"] else "another content has its name now")))


def _lines(items: list[dict[str, Any]]) -> list[str]:
    rows = [
        [
            item["rule"],
            item["path"],
            _state(item),
            short_id(item["batch"] or ""),
            _price(item),
            shortened(item["why"] or _standing(item), MAX_REASON_LENGTH),
        ]
        for item in items
    ]
    return list(table(["rule", "file", "state", "batch", "cost", "why"], rows, ("cost",))) if rows else ["No files."]
