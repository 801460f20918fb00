"""What is said about a command that there is not, and about a name that was taken for an option."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from runflowd.core.printable import printable
from runflowd.core.suggestion import closest

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_OTHER_WORDS = {
    "run": "start daemon serve watch up",
    "check": "validate lint verify test config",
    "sync": "once process",
    "plan": "dry-run preview estimate",
    "status": "ps info show stats",
    "list": "ls files items",
    "logs": "log history story trace",
    "doctor": "diagnose health",
    "retry": "again requeue resubmit",
    "rerun": "redo reprocess",
    "resume": "unpause continue",
    "spend": "cost costs money billing budget",
    "init": "new create setup configure",
    "user": "users passwd password",
    "man": "help manual docs",
    "systemd": "install service enable",
    "local": "server",
}
"""What others call a command."""


def dashed_name(arguments: Sequence[str]) -> str:
    """How to give the name of a file that begins with a dash, where one stands among these arguments; else ""."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    name = next((each for each in options if each.startswith("-") and "." in each.partition("=")[0]), "")
    return f"A name that begins with a dash goes behind `--`: `-- {shlex.quote(printable(name))}`" if name else ""


_MOST_USED = "init, check, run, status, list and doctor"


def no_such_command(name: str, known: Collection[str]) -> str:
    """The sentence about a command of that name."""
    word = name.lower().replace("_", "-")
    meant = next((command for command, words in _OTHER_WORDS.items() if word in words.split()), "")
    if meant := meant or closest(word, known):
        return f"there is no command {name!r}; did you mean {meant!r}?"
    return f"there is no command {name!r}; most used are {_MOST_USED}, and --help has all."
