"""`runflowd approve`: files that wait for an approval are bought."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runflowd.commands.command_client import ask
from runflowd.commands.formatting import say
from runflowd.commands.options import config_option, echo_json, json_option
from runflowd.commands.shell_complete import rule_names

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@config_option
@json_option
@click.option("--files", type=click.IntRange(1), help="Let so many more files pass.")
@click.option("--all", "everything", is_flag=True, help="Let all pass that are there and that will come.")
@click.argument("rule", shell_complete=rule_names)
def command(place: Path | None, rule: str, files: int | None, *, everything: bool, as_json: bool) -> None:
    """Let the files of RULE pass that wait for an approval: those that wait now, --files N of them, or --all.

    That counts for what the rule buys now: an edit of its `model`, `input`, `select` or `files` asks anew. Limits
    of money go on counting.
    """
    answer = ask(place, "approve", rule=rule, files=files or 0, everything=everything)
    if as_json:
        echo_json(answer)
        return
    approved = answer["approved"]
    what = "All its files, also those to come," if approved is None else _files(approved)
    say(f"{what} may be bought: rule {answer['rule']}.")
    if answer["waiting"]:
        say(f"{_files(answer['waiting'])} still {'waits' if answer['waiting'] == 1 else 'wait'}.")


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number:,} files"
