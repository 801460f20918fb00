"""`runflowd reload`: have the daemon take the configuration as it is now, and hear whether it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import say
from runflowd.commands.options import config_option, echo_json, find_config, json_option
from runflowd.control.client import ask
from runflowd.core.printable import printable

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@config_option
@json_option
def command(place: Path | None, *, as_json: bool) -> int:
    """Have the running daemon take the configuration now, and try again at once whatever waits for a retry.

    An edit is taken by itself within seconds; this says whether it was. A configuration with mistakes is
    refused with every one of them, the last good one stays in force, and the exit code is 78.
    """
    answer = ask(find_config(place), "reload", {})
    if answer is None:
        raise CommandError("no daemon answers for this configuration; `runflowd check` says whether it is good.")
    problems = answer["problems"]
    if as_json:
        echo_json(answer)
    elif problems:
        for problem in problems:
            say(printable(problem), err=True)
        say("Refused; the last good configuration is in force.", err=True)
    else:
        say(f"Taken: {', '.join(answer['rules'])}.")
    return Exit.CONFIGURATION if problems else Exit.DONE
