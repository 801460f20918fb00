"""`runflowd backup`: a whole copy of the state file, also while the daemon works on it."""

from __future__ import annotations

from pathlib import Path

import click

from runflowd.commands.options import config_option, find_config
from runflowd.config import load
from runflowd.core.printable import printable
from runflowd.store.state_file import copy_state
from runflowd.system.paths import state_path


@click.command()
@config_option
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
def command(place: Path | None, target: Path) -> None:
    """Copy the state file to TARGET, which must not exist yet; the daemon may go on meanwhile.

    The copy is one moment of the state file. Files bought later are bought again by whoever restores it.
    """
    path = state_path(load(find_config(place)))
    size = copy_state(path, target)
    click.echo(f"Copied {printable(str(path))} to {printable(str(target))}, {size} bytes.")
