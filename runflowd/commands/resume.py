"""`runflowd resume`: what was paused goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runflowd.commands.command_client import ask
from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.options import config_option, echo_json, json_option
from runflowd.commands.shell_complete import rule_names

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@config_option
@json_option
@click.option("--all", "everything", is_flag=True, help="End the pause of all rules that `pause --all` began.")
@click.option(
    "--accept-folder",
    "accept",
    is_flag=True,
    help="What stands at the watched folder now is right: files that are not in it count as deleted.",
)
@click.argument("rules", nargs=-1, shell_complete=rule_names)
def command(place: Path | None, rules: tuple[str, ...], *, everything: bool, accept: bool, as_json: bool) -> None:
    """Let RULES, or --all, go on; a running daemon follows at once.

    With --accept-folder, a rule whose watched folder is another one than before (WATCH_CHANGED) works with it
    from now on; a pause stays as it is.
    """
    if accept:
        _accept(place, rules, everything=everything, as_json=as_json)
        return
    answer = ask(place, "resume", rules=rules, everything=everything)
    if as_json:
        echo_json(answer)
        return
    click.echo(f"Resumed: {', '.join(name or 'every rule' for name in answer['resumed'])}.")
    if count := answer["fetched"]:
        what = "1 result that is paid for is" if count == 1 else f"{count} results that are paid for are"
        click.echo(f"{what} fetched again, at no cost.")
    if answer["still"]:
        still = ", ".join(name or "every rule, by `pause --all`" for name in answer["still"])
        click.echo(f"Still paused: {still}.")


def _accept(place: Path | None, rules: tuple[str, ...], *, everything: bool, as_json: bool) -> None:
    if everything:
        raise CommandError("--accept-folder is about the folder of one rule: name it instead of --all", Exit.USAGE)
    answer = ask(place, "accept-folder", rules=rules)
    if as_json:
        echo_json(answer)
    else:
        click.echo(f"The folder is accepted: {', '.join(answer['accepted'])}.")
