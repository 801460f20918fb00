"""`runflowd status`: how things stand, from the state file, while a daemon runs or not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click
from rich.text import Text

from runflowd.commands.options import config_option, echo_json, find_config, json_option
from runflowd.commands.printing import advice, cell, console, duration, money, short, table, trouble_text
from runflowd.config import load
from runflowd.core.lifecycle import ItemState
from runflowd.places import state_path
from runflowd.status import as_json as status_json
from runflowd.status import take_status
from runflowd.store import open_reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console, RenderableType

    from runflowd.status import RuleStatus, Status
    from runflowd.store.facts import Incident

COLUMNS = {
    "queued": (ItemState.READY, ItemState.FOLLOWING),
    "uploading": (ItemState.BATCHED,),
    "processing": (ItemState.SUBMITTED,),
    "saving": (ItemState.DELIVERING,),
    "done": (ItemState.DONE,),
    "failed": (ItemState.FAILED,),
    "unknown": (ItemState.UNKNOWN,),
    "waiting": (ItemState.WAITING,),
    "skipped": (ItemState.SKIPPED,),
}
"""The states as people see them, in the order a file passes them."""


@click.command()
@config_option
@json_option
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Failed files shown at most.")
def command(place: Path | None, limit: int, *, as_json: bool) -> None:
    """Show rules and counts, batches in flight, failures with their remedy, incidents, and today's spend."""
    config = load(find_config(place))
    path = state_path(config)
    connection = open_reader(path)
    try:
        status = take_status(connection, path, config, time.time(), limit)
    finally:
        connection.raw.close()
    if as_json:
        echo_json(status_json(status))
    else:
        _show(console(), status)


def _show(out: Console, status: Status) -> None:
    running = f"running (process {status.pid})" if status.pid else "not running"
    out.print(f"runflowd is {running}. Spent today: {money(status.spent_today)}.")
    out.print(cell(f"State: {status.state}", "dim"), soft_wrap=True)
    for part in _parts(status):
        out.print()
        out.print(part, soft_wrap=isinstance(part, Text))


def _parts(status: Status) -> Iterator[RenderableType]:
    yield _rules(status.rules)
    if status.batches:
        yield _batches(status)
    if status.incidents:
        yield _section("Incidents", "bold red", [_incident(incident, status.now) for incident in status.incidents])
    if status.troubled:
        yield _section("Failed", "bold red", [trouble_text(entry) for entry in status.troubled])
    if status.waiting:
        yield _section("Waiting", "bold yellow", [trouble_text(entry) for entry in status.waiting])


def _section(title: str, style: str, paragraphs: list[Text]) -> Text:
    return Text("\n").join([Text(title, style=style), *paragraphs])


def _incident(incident: Incident, now: float) -> Text:
    return advice(f"{incident.code} for {duration(now - incident.since)}", incident.message, incident.remedy)


def _rules(rules: tuple[RuleStatus, ...]) -> RenderableType:
    shown = [
        name
        for name, states in COLUMNS.items()
        if name in {"queued", "processing", "done", "failed"} or _any(rules, states)
    ]
    made = table("rule", "model", *shown, numbers=shown)
    for rule in rules:
        counts = [str(rule.count(*COLUMNS[name])) for name in shown]
        made.add_row(cell(rule.name), cell(rule.model or "(rule removed)"), *counts)
    return made


def _any(rules: tuple[RuleStatus, ...], states: tuple[ItemState, ...]) -> bool:
    return any(rule.count(*states) for rule in rules)


def _batches(status: Status) -> RenderableType:
    made = table("batch", "rule", "model", "state", "items", "age", "trouble", numbers=("items", "age"))
    for batch in status.batches:
        state = "stalled" if batch.stalled_at else str(batch.state)
        age = duration(max(0.0, status.now - batch.sealed_at))
        shown = short(batch.remote_id or batch.id)
        made.add_row(shown, cell(batch.rule), cell(batch.model), state, str(batch.items), age, cell(batch.failure))
    return made
