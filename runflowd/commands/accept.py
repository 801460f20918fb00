"""`runflowd accept`: results that are accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runflowd.commands.judging import judge
from runflowd.commands.options import config_option, json_option
from runflowd.commands.shell_complete import rule_names

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@config_option
@json_option
@click.option("--rule", shell_complete=rule_names, help="Only results of this rule.")
@click.option("--all", "everything", is_flag=True, help="All that wait for review; else name files.")
@click.option("--undo", is_flag=True, help="Take the verdict back: the results wait again.")
@click.argument("paths", nargs=-1)
def command(
    place: Path | None, rule: str | None, paths: tuple[str, ...], *, everything: bool, undo: bool, as_json: bool
) -> None:
    """Accept the results of PATHS, or --all that wait for review: those that were held get their place.

    PATHS are below the watched folder, where patterns such as 'shoes/*' are understood, or lead to a source or a
    result. A verdict holds for all files with the same result. With --undo the result waits again; what was held
    before is hidden again, and what became of its source stays done.
    """
    judge(place, "accept", paths, rule=rule, everything=everything, undo=undo, as_json=as_json)
