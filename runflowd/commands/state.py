"""`runflowd state`: the state moved to another place, such as from a file to a database, and back."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import print_lines, say
from runflowd.commands.options import config_option, echo_json, find_config, json_option
from runflowd.commands.plain_table import table
from runflowd.config import load
from runflowd.core.database import Database, is_address, mistake_in
from runflowd.core.printable import printable
from runflowd.store import moving
from runflowd.system.paths import Place, state_folder, state_place

if TYPE_CHECKING:
    from runflowd.config import Config
    from runflowd.store.tables import TableDigest

HASH_SHOWN = 16
"""Digits of a hash that are shown to people."""


@click.group()
def command() -> None:
    """Move the state, while no daemon works on it: from a file to a database, back, or to another file."""


@command.command()
@config_option
@click.option("--to", "named", required=True, help="A file that is not there yet, or the address of an empty database.")
@click.option("--dry-run", is_flag=True, help="Say what would be copied, and change nothing.")
@json_option
def copy(place: Path | None, named: str, *, dry_run: bool, as_json: bool) -> None:
    """Copy the whole state elsewhere, compare both, and leave the old one, which refuses to work from then on.

    If this is cut short, one of the two works, and the other says what to do.
    """
    config = load(find_config(place))
    source, target = _absolute(state_place(config)), _target(named)
    if source == target:
        raise CommandError(f"the state is at {printable(str(source))} already.", Exit.USAGE)
    found = (moving.preview if dry_run else moving.move)(source, target)
    if as_json:
        tables = {name: asdict(digest) for name, digest in found.items()}
        echo_json({"from": str(source), "to": str(target), "moved": not dry_run, "tables": tables})
        return
    _show(found)
    way = f"from {printable(str(source))} to {printable(str(target))}"
    rows = sum(digest.rows for digest in found.values())
    if dry_run:
        say(f"{rows} rows would be moved {way}. Nothing was changed.")
        return
    say(f"{rows} rows were moved {way}, and are the same there.")
    say(f"Now write `state: {printable(str(target))}` into the configuration; the old one refuses to work.")
    if hint := _local_files(config, target):
        say(hint)


@command.command()
@config_option
@click.option("--lost", is_flag=True, help="The other one is lost for good: what was bought there is bought again.")
def reopen(place: Path | None, *, lost: bool) -> None:
    """Have a state that was moved away work again, as long as nothing has happened at the new place.

    The new place refuses to work from then on. After that it has to be moved back with `state copy`.
    """
    here = _absolute(state_place(load(find_config(place))))
    other = moving.reopen(here, lost=lost)
    end = "is not asked any more" if lost else "refuses to work"
    say(f"{printable(str(here))} works again; {printable(other)} {end}.")


def _target(named: str) -> Place:
    if not is_address(named):
        return Path(named).absolute()
    if mistake := mistake_in(named):
        raise CommandError(f"the address after --to {mistake}.", Exit.USAGE)
    return Database(named)


def _absolute(place: Place) -> Place:
    return place.absolute() if isinstance(place, Path) else place


def _show(found: dict[str, TableDigest]) -> None:
    rows = [[name, str(digest.rows), digest.hash[:HASH_SHOWN]] for name, digest in found.items()]
    print_lines(table(["table", "rows", "hash"], rows, ["rows"]))


def _local_files(config: Config, target: Place) -> str:
    """What else has to be moved: the local service keeps its files beside the state file."""
    before, after = (state_folder(each) / "local" for each in (config, replace(config, state=str(target))))
    if config.service.local is None or before.absolute() == after.absolute():
        return ""
    return (
        f"Move the folder of the local service, too: {printable(str(before.absolute()))} to "
        f"{printable(str(after.absolute()))}."
    )
