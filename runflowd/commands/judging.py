"""What `runflowd accept` and `runflowd reject` share: a verdict on results, given or taken back."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING, Any

import click

from runflowd.commands.command_client import CommandClient
from runflowd.commands.formatting import table
from runflowd.commands.options import echo_json

if TYPE_CHECKING:
    from pathlib import Path

MAX_ROWS = 50
"""Files named one by one; beyond them only their number is told."""


def judge(
    place: Path | None,
    verdict: str,
    paths: tuple[str, ...],
    *,
    rule: str | None,
    everything: bool,
    undo: bool,
    as_json: bool,
    reason: str = "",
) -> None:
    """Give a verdict on what is named, or take it back, and show what came of it."""
    if bool(paths) == everything:
        raise click.UsageError("name the files, for example 'shoes/*', or say --all")
    if undo and everything:
        raise click.UsageError("name the files whose verdict is to be undone; --all goes without --undo")
    asking = CommandClient(place)
    said: dict[str, Any] = {"verdict": verdict, "rule": rule, "undo": undo, "who": _who(), "reason": reason}
    named = {"patterns": paths, "absolute": [os.path.abspath(path) for path in paths]}  # noqa: PTH100  bytes survive
    given: list[dict[str, Any]] = []
    left = 1
    while left:  # in pages, between which the daemon serves others
        answer = asking.ask("verdict", **said, everything=everything, **({} if everything else named))
        given += answer["items"]
        left = answer["left"] if everything and answer["items"] else 0
    if as_json:
        echo_json({"verdict": "undo" if undo else verdict, "items": given, "left": answer["left"]})
        return
    for line in _lines(given, "waits again" if undo else f"{verdict}ed", answer["left"]):
        click.echo(line)


def _lines(given: list[dict[str, Any]], word: str, left: int) -> list[str]:
    rows = [[item["rule"], item["path"], _what(item, word)] for item in given[:MAX_ROWS]]
    lines = list(table(["rule", "file", "verdict"], rows)) if rows else ["Nothing waits for review."]
    if len(given) > MAX_ROWS:
        lines.append(f"and {len(given) - MAX_ROWS:,} more {word}")
    if left:
        lines.append(f"{left:,} {'waits' if left == 1 else 'wait'} for review: `runflowd review`")
    return lines


def _what(item: dict[str, Any], word: str) -> str:
    before = item["before"]
    by = f" by {before['who']}" if before and before["who"] else ""
    if not item["changed"]:
        return f"{word} before{by}"
    others = f", and {item['alike']} with the same result" if item["alike"] else ""
    changed = f"; {before['verdict']}ed before{by}" if before else ""
    return f"{word}{others}{changed}"


def _who() -> str:
    """The name of the user who asks, for the record; their number where that has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
