"""What commands that may buy share: that a person agrees, and having it done page by page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from runflowd.commands.exit_codes import CommandError, Exit

if TYPE_CHECKING:
    from runflowd.commands.command_client import CommandClient

PAGE = 500
"""Files marked with one question."""


def agree(count: int, *, yes: bool) -> None:
    """Whether a person agrees to pay. Raises CommandError where nobody can be asked, Abort for a no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError(f"this would buy {count} files: say --yes to do it, --dry-run to look.", Exit.USAGE)
    click.confirm(f"Buy {count} files?", abort=True, err=True)


def mark(asking: CommandClient, todo: list[dict[str, Any]], **said: Any) -> int:
    """Ask for what was agreed to; give how many files that is."""
    pages = (todo[start : start + PAGE] for start in range(0, len(todo), PAGE))
    return sum(asking.ask("rerun", items=page, **said)["marked"] for page in pages)
