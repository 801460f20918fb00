"""`runflowd completion`: what a shell needs to complete commands, options, states and names of rules."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

VARIABLE = "_RUNFLOWD_COMPLETE"
"""How the scripts ask the program; click reads it, named after the program."""

PLACES = {
    "bash": "/usr/local/share/bash-completion/completions/runflowd",
    "zsh": "/usr/local/share/zsh/site-functions/_runflowd",
    "fish": "/usr/local/share/fish/vendor_completions.d/runflowd.fish",
}
"""Where each shell looks by itself."""


@click.command(epilog="; ".join(f"{shell} reads {place}" for shell, place in PLACES.items()) + ".")
@click.argument("shell", type=click.Choice(list(PLACES)))
def command(shell: str) -> None:
    """Print the completion script of a SHELL.

    Keep it where the shell looks for such scripts, or try it with `source <(runflowd completion bash)`.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(click.get_current_context().find_root().command, {}, "runflowd", VARIABLE).source())
