"""`runflowd pause`: buy nothing more for some rules until `resume`."""

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
@click.option("--all", "everything", is_flag=True, help="Every rule, those added later included.")
@click.option("--reason", default="", help="Why; shown wherever the pause is shown.")
@click.argument("rules", nargs=-1, shell_complete=rule_names)
def command(place: Path | None, rules: tuple[str, ...], reason: str, *, everything: bool, as_json: bool) -> None:
    """Buy nothing more for RULES, or --all, until `runflowd resume`.

    Files are still found, and what was bought already is still waited for and delivered. A pause
    survives restarts; a running daemon follows it at once.
    """
    answer = ask(place, "pause", rules=rules, reason=reason, everything=everything)
    if as_json:
        echo_json(answer)
        return
    say(f"Paused: {', '.join(name or 'every rule' for name in answer['paused'])}.")
