"""`runflowd backup`: a whole copy of the state file, also while the daemon works on it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import click

from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import say
from runflowd.commands.options import config_option, find_config
from runflowd.config import load
from runflowd.core.database import Database
from runflowd.core.printable import printable
from runflowd.store.state_file import copy_state
from runflowd.system.paths import state_place

DATED = re.compile(r"state-\d{8}T\d{6}Z\.db")
"""The names that `--into` gives, in whose order the copies were made; no other file is ever removed."""


@click.command()
@config_option
@click.argument("target", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--into",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for copies named by their time.",
)
@click.option("--keep", type=click.IntRange(1), help="How many of the copies in that folder stay; the oldest go.")
def command(place: Path | None, target: Path | None, folder: Path | None, keep: int | None) -> None:
    """Copy the state file to TARGET, which must not exist yet, or --into a folder; the daemon may go on meanwhile.

    The copy is one moment of the state file. Files bought later are bought again by whoever restores it.
    """
    if (target is None) == (folder is None):
        raise CommandError("name either TARGET or --into, such as `runflowd backup --into DIR --keep 14`.", Exit.USAGE)
    if keep and folder is None:
        raise CommandError("--keep goes with --into: other files than dated copies are never removed.", Exit.USAGE)
    path = state_place(load(find_config(place)))
    if isinstance(path, Database):
        words = f"pg_dump --format=custom --file=FILE '{printable(str(path))}'"
        raise CommandError(f"the state is in a database, which its own program copies whole: {words}", Exit.UNAVAILABLE)
    copy = target or (folder or Path()) / f"state-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.db"
    size = copy_state(path, copy)
    say(f"Copied {printable(str(path))} to {printable(str(copy))}, {size} bytes.")
    for old in _too_old(folder, keep) if folder and keep else ():
        old.unlink()
        say(f"Removed {printable(str(old))}.")


def _too_old(folder: Path, keep: int) -> list[Path]:
    """Dated copies beyond so many, which are only looked for once the new one is on disk."""
    return sorted(each for each in folder.iterdir() if DATED.fullmatch(each.name))[:-keep]
