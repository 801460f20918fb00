"""`runflowd retry`: another try for files that failed, through the state file; a running daemon sees it there."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from runflowd.commands.exits import CommandError, Exit
from runflowd.commands.options import config_option, echo_json, find_config, json_option
from runflowd.commands.printing import cell, console, table
from runflowd.config import load
from runflowd.core.lifecycle import ItemState
from runflowd.core.printable import printable
from runflowd.places import state_path
from runflowd.store import open_reader
from runflowd.store.connection import connect
from runflowd.store.items import Item, select_items
from runflowd.store.retries import Retried, retry

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.store import Connection


@click.command()
@config_option
@json_option
@click.option("--rule", help="Only files of this rule.")
@click.option("--all", "everything", is_flag=True, help="Every failed file; else name patterns.")
@click.option("--buy-again", is_flag=True, help="Also what may have been bought already; it is then paid for twice.")
@click.argument("patterns", nargs=-1)
def command(
    place: Path | None, rule: str | None, patterns: tuple[str, ...], *, everything: bool, buy_again: bool, as_json: bool
) -> int:
    """Give failed files another try, by PATTERNS over their path below the watched folder, or --all.

    Files whose purchase is in doubt are fetched or asked for again where that costs nothing; they are
    bought again with --buy-again only.
    """
    if not patterns and not everything:
        raise click.UsageError("name the files, for example 'shoes/*', or say --all")
    path = state_path(load(find_config(place)))
    open_reader(path).raw.close()
    connection = connect(path)
    try:
        done = _retry_all(connection, rule, patterns, buy_again=buy_again)
    finally:
        connection.raw.close()
    if not done:
        raise CommandError("no failed or unknown file matches. `runflowd list --state failed` shows them.", Exit.FAILED)
    _tell(done, as_json=as_json)
    return Exit.SOME_FAILED if any(what is Retried.REFUSED for _, what in done) else Exit.DONE


def _retry_all(
    connection: Connection, rule: str | None, patterns: tuple[str, ...], *, buy_again: bool
) -> list[tuple[Item, Retried]]:
    """All of it in one transaction: a daemon that runs sees everything or nothing."""
    connection.raw.execute("BEGIN IMMEDIATE")
    chosen = [
        item
        for state in (ItemState.FAILED, ItemState.UNKNOWN)
        for item in select_items(connection, rule=rule, state=state, batch=None)
        if not patterns or any(fnmatchcase(item.path, pattern) for pattern in patterns)
    ]
    done = [(item, retry(connection, item, buy_again=buy_again)) for item in chosen]
    connection.raw.execute("COMMIT")
    return done


def _tell(done: list[tuple[Item, Retried]], *, as_json: bool) -> None:
    if as_json:
        echo_json([{"rule": item.rule, "path": printable(item.path), "what": what.name.lower()} for item, what in done])
        return
    made = table("rule", "file", "what")
    for item, what in done:
        made.add_row(cell(item.rule), cell(item.path), what.value)
    console().print(made)
