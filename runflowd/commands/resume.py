"""`runflowd resume`: what was paused goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runflowd.commands.asking import ask
from runflowd.commands.options import config_option, echo_json, json_option
from runflowd.commands.suggesting import rule_names

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@config_option
@json_option
@click.option("--all", "everything", is_flag=True, help="End the pause of all rules that `pause --all` began.")
@click.argument("rules", nargs=-1, shell_complete=rule_names)
def command(place: Path | None, rules: tuple[str, ...], *, everything: bool, as_json: bool) -> None:
    """Let RULES, or --all, go on; a running daemon follows at once."""
    answer = ask(place, "resume", rules=rules, everything=everything)
    if as_json:
        echo_json(answer)
        return
    click.echo(f"Resumed: {', '.join(name or 'every rule' for name in answer['resumed'])}.")
    if answer["still"]:
        still = ", ".join(name or "every rule, by `pause --all`" for name in answer["still"])
        click.echo(f"Still paused: {still}.")
