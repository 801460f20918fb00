"""What `runflowd accept` and `runflowd reject` share: a verdict, given or taken back, and what came of it."""

from __future__ import annotations

import functools
import os
import pwd
import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from runflowd.commands.command_client import CommandClient
from runflowd.commands.formatting import print_lines, quoted, wait_for_review
from runflowd.commands.options import config_option, echo_json, json_option
from runflowd.commands.plain_table import table
from runflowd.commands.shell_complete import rule_names
from runflowd.core.remedies import as_pattern

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_ROWS = 50
"""Files named one by one; beyond them only their number is told."""

OUTCOME_TIMEOUT = 5.0
"""Seconds for which a command waits until its verdicts are carried out: most are at once."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody says of which results. `place` is that of the configuration; `everything` means all that wait."""

    place: Path | None
    rule: str | None
    everything: bool
    undo: bool
    reason: str
    paths: tuple[str, ...]
    as_json: bool


def judging_options(command: Callable[[Asked], None]) -> Callable[..., None]:
    """Give a command the options of both verdicts; it gets them as one value."""

    @functools.wraps(command)
    def asked(**given: Any) -> None:
        command(Asked(**given))

    for option in (
        click.argument("paths", nargs=-1),
        click.option("--undo", is_flag=True, help="Take the verdict back: the results wait again."),
        click.option("--reason", default="", help="Why, for the record."),
        click.option("--all", "everything", is_flag=True, help="All that wait for review; else name files."),
        click.option("--rule", shell_complete=rule_names, help="Only results of this rule."),
        json_option,
        config_option,
    ):
        asked = option(asked)
    return asked


def judge(asked: Asked, verdict: str) -> None:
    """Give a verdict on what is named, or take it back, and show what came of it."""
    paths, everything = asked.paths, asked.everything
    if bool(paths) == everything:
        raise click.UsageError("name the files, for example 'shoes/*', or say --all")
    if asked.undo and everything:
        raise click.UsageError("name the files whose verdict is to be undone; --all goes without --undo")
    asking = CommandClient(asked.place)
    said = {"verdict": verdict, "rule": asked.rule, "undo": asked.undo, "who": who_asks(), "reason": asked.reason}
    named = {"patterns": paths, "absolute": [os.path.abspath(path) for path in paths]}  # noqa: PTH100  bytes survive
    given: list[dict[str, Any]] = []
    left = 1
    while left:  # in pages, between which the daemon serves others
        answer = asking.ask("verdict", **said, everything=everything, **({} if everything else named))
        given += answer["items"]
        left = answer["left"] if everything and answer["items"] else 0
    if len(given) <= MAX_ROWS:
        _add_outcome(asking, given)
    if asked.as_json:
        echo_json({"verdict": "undo" if asked.undo else verdict, "items": given, "left": answer["left"]})
        return
    print_lines(_lines(given, "waits again" if asked.undo else f"{verdict}ed", answer["left"]))


def _add_outcome(asking: CommandClient, given: list[dict[str, Any]]) -> None:
    """Wait a little until a daemon has carried the verdicts out, and note what is still `due` and what stays where."""
    numbers, ends = [item["id"] for item in given], time.monotonic() + OUTCOME_TIMEOUT
    answer = asking.ask("verdict-outcome", items=numbers)
    while answer["due"] and not asking.alone and time.monotonic() < ends:
        time.sleep(0.05)
        answer = asking.ask("verdict-outcome", items=numbers)
    for item in given:
        item["due"] = item["id"] in answer["due"]
        item["removed"] = item["id"] in answer["removed"]
        item["edited"] = [each["path"] for each in answer["left"] if each["id"] == item["id"]]


def _lines(given: list[dict[str, Any]], word: str, left: int) -> list[str]:
    rows = [[item["rule"], item["path"], _what(item, word)] for item in given[:MAX_ROWS]]
    lines = list(table(["rule", "file", "verdict"], rows)) if rows else ["Nothing waits for review."]
    if len(given) > MAX_ROWS:
        lines.append(f"and {len(given) - MAX_ROWS:,} more {word}")
    due = sum(1 for item in given if item.get("due"))
    if due:
        verb = "is" if due == 1 else "are"
        lines.append(
            quoted(f"{due:,} of these {verb} not carried out yet: the daemon or the next `runflowd sync` does that")
        )
    lines += [quoted(_removed(item)) for item in given if item.get("removed")]
    for path in (path for item in given for path in item.get("edited", ())):
        lines.append(f"{path} was edited since it was delivered, so it stays where it is, and is yours")
    if left:
        lines.append(quoted(f"{wait_for_review(left)}: `runflowd review`"))
    return lines


def _removed(item: dict[str, Any]) -> str:
    again = f"runflowd rerun --missing {shlex.quote(item['rule'])} {as_pattern(item['path'])}"
    return f"{item['path']}: its result is not there any more, so nothing was moved; `{again}` fetches it at no cost"


def _what(item: dict[str, Any], word: str) -> str:
    before = item["before"]
    by = f" by {before['who']}" if before and before["who"] else ""
    if not item["changed"]:
        return f"{word} before{by}"
    others = f", and {item['alike']} with the same result" if item["alike"] else ""
    changed = f"; {before['verdict']}ed before{by}" if before else ""
    return f"{word}{others}{changed}"


def who_asks() -> str:
    """The name of the user who asks, for the record; their number where that has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
