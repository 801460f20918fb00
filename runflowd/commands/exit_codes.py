"""Exit codes, and the one place that maps an error to its code and its words.

The numbers from 64 up are those of sysexits.h, which systemd and mail systems know by name.
"""

from __future__ import annotations

import errno
import os
from enum import IntEnum

import click

from runflowd.commands.formatting import say
from runflowd.core.printable import printable
from runflowd.errors import ConfigError, Problem, RunflowdError


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    SOME_FAILED = 3
    UNAVAILABLE = 69
    TRY_AGAIN = 75
    NOT_ALLOWED = 77
    CONFIGURATION = 78
    INTERRUPTED = 130


class CommandError(RunflowdError):
    """A command cannot do its work; the sentence says why and what to do, `code` is how it ends."""

    def __init__(self, sentence: str, code: Exit = Exit.FAILED) -> None:
        self.code = code
        super().__init__(sentence)


_BY_CLASS = {
    "ConfigError": Exit.CONFIGURATION,
    "CredentialError": Exit.CONFIGURATION,
    "OtherConfiguration": Exit.CONFIGURATION,
    "NoDriver": Exit.CONFIGURATION,
    "Unsuitable": Exit.CONFIGURATION,
    "Moved": Exit.CONFIGURATION,
    "Unfinished": Exit.CONFIGURATION,
    "StateInUse": Exit.TRY_AGAIN,
    "Unreachable": Exit.TRY_AGAIN,
    "NotDurable": Exit.TRY_AGAIN,
    "NoSpace": Exit.TRY_AGAIN,
    "AddressUnusable": Exit.TRY_AGAIN,
    "Transient": Exit.TRY_AGAIN,
    "OutOfCredit": Exit.TRY_AGAIN,
    "Unauthorized": Exit.NOT_ALLOWED,
    "Forbidden": Exit.NOT_ALLOWED,
}
"""Exit codes by the name of an error's class or base: naming them here would import all of runflowd."""

_TEMPORARY = {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.EMFILE}


def exit_code(error: BaseException) -> Exit | None:
    """The exit code an error means, None for one that nobody raised on purpose."""
    match single(error):
        case CommandError(code=code):
            return code
        case RunflowdError() as known:
            return _by_kind(known)
        case PermissionError():
            return Exit.NOT_ALLOWED
        case OSError() as trouble:
            return Exit.TRY_AGAIN if trouble.errno in _TEMPORARY else Exit.FAILED
    return None


def _by_kind(known: RunflowdError) -> Exit:
    if isinstance(known.__cause__, PermissionError):
        return Exit.NOT_ALLOWED
    if getattr(known, "may_come", False):  # a key that is not there yet
        return Exit.TRY_AGAIN
    if (code := getattr(known, "exit_code", None)) is not None:  # what was refused over the control socket
        return Exit(code)
    names = (base.__name__ for base in type(known).__mro__)
    return next((_BY_CLASS[name] for name in names if name in _BY_CLASS), Exit.FAILED)


def single(error: BaseException) -> BaseException:
    """The error a task group wraps, when it wraps one; the first on-purpose one when it wraps several."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [single(each) for each in error.exceptions]
    if any(not isinstance(leaf, RunflowdError | OSError) for leaf in leaves):
        return error
    return leaves[0]


def explain(error: BaseException) -> None:
    """Print the sentence on stderr; of a configuration, every problem on a line of its own."""
    found = single(error)
    if isinstance(found, ConfigError):
        for problem in found.problems:
            say(coloured(problem), err=True)
        return
    say(f"{click.style('error:', fg='red', bold=True)} {_sentence(found)}", err=True)


def coloured(problem: Problem) -> str:
    """`file:line:column: path: message` with the parts distinguished; click drops colours off a terminal."""
    place = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
    where = f"{click.style(printable(problem.where), fg='cyan')}: " if problem.where else ""
    return f"{click.style(printable(place), bold=True)}: {where}{click.style(printable(problem.message), fg='red')}"


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError):
        where = f"{printable(os.fsdecode(error.filename))}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    return str(error)
