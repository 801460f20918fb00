"""`runflowd list`: the files that runflowd knows, one line each."""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import click

from runflowd.commands.options import config_option, echo_json, find_config, json_option
from runflowd.commands.printing import cell, console, money, short, table
from runflowd.config import load
from runflowd.core.lifecycle import ItemState
from runflowd.core.printable import printable
from runflowd.places import state_path
from runflowd.store import open_reader
from runflowd.store.items import Item, select_items

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@config_option
@json_option
@click.option("--rule", help="Only files of this rule.")
@click.option("--state", type=click.Choice([state.value for state in ItemState]), help="Only files in this state.")
@click.option("--batch", help="Only files of this batch, by runflowd's id.")
@click.option("--path", "pattern", help="Only files whose path below the watched folder matches, such as 'shoes/*'.")
def command(
    place: Path | None, rule: str | None, state: str | None, batch: str | None, pattern: str | None, *, as_json: bool
) -> None:
    """List files by rule, state, path or batch, oldest first."""
    connection = open_reader(state_path(load(find_config(place))))
    try:
        chosen = [
            item
            for item in select_items(connection, rule=rule, state=state, batch=batch)
            if pattern is None or fnmatchcase(item.path, pattern)
        ]
    finally:
        connection.raw.close()
    if as_json:
        echo_json([_as_json(item) for item in chosen])
    else:
        _show(chosen)


def _show(items: list[Item]) -> None:
    made = table("rule", "file", "state", "batch", "cost", "why", numbers=("cost",))
    for item in items:
        cost = money(item.cost) if item.cost is not None else ""
        made.add_row(
            cell(item.rule), cell(item.path), item.state.value, short(item.batch or ""), cost, cell(item.failure)
        )
    out = console()
    out.print(made if items else "No files.")


def _as_json(item: Item) -> dict[str, Any]:
    return {
        "rule": item.rule,
        "path": printable(item.path),
        "state": item.state.value,
        "size": item.stat.size,
        "content": item.content,
        "batch": item.batch,
        "run": item.run_id,
        "reference": item.client_ref,
        "cost": str(item.cost) if item.cost is not None else None,
        "code": item.failure_code,
        "why": printable(item.failure),
        "ended_at": datetime.fromtimestamp(item.ended_at, UTC).isoformat() if item.ended_at else None,
    }
