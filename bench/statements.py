"""What single statements and `runflowd list` cost over a large state file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio

from bench.report import middle
from bench.standing import config_over, cpu_of, fill
from runflowd.store.listing import Wanted, page
from runflowd.store.sqlite import connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.report import Report

STATEMENTS: dict[str, dict[str, Any]] = {
    "delete_unbought": {"id": 100},
    "duplicates_in_doubt": {"id": 100},
    "renew_item_leases": {"owner": "nobody", "until": 0},
    "count_in_flight": {},
    "ended_since": {"since": 1e12},
    "claim_notes": {"owner": "nobody", "until": 0, "now": 0, "paused": "[]", "limit": 4},
    "next_delivery": {"paused": "[]"},
    "wake_all_deliveries": {},
}
"""Statements that run for a row, a turn or a question, with values that change nothing, or one row."""

PAGES = {
    "everything": Wanted(),
    "--state failed": Wanted(states=("failed",)),
    "--rule bench": Wanted(rule="bench"),
    "--path 'shoot-01500/*'": Wanted(pattern="shoot-01500/*"),
    "--path '*no such file*'": Wanted(pattern="*no such file*"),
}
"""Questions to `runflowd list`."""


def measure(report: Report, folder: Path, *, rows: int, rounds: int) -> None:
    """Run everything `rounds` times over `rows` items; every statement in a transaction that is undone."""
    (folder / "in").mkdir(parents=True)
    state, config = folder / "state.db", folder / "config.yaml"
    config.write_text(config_over(folder, state))
    anyio.run(fill, state, rows)
    connection = connect(state)

    def undone(work: Callable[[], object]) -> float:
        connection.raw.execute("BEGIN IMMEDIATE")
        began = time.perf_counter()
        work()
        took = time.perf_counter() - began
        connection.raw.execute("ROLLBACK")
        return took * 1000

    for name, values in STATEMENTS.items():
        times = [undone(lambda: connection.all(name, **values)) for _ in range(rounds)]  # noqa: B023  run at once
        report.add(f"statements: {rows:,} items", middle(name, times, "ms"))
    for name, wanted in PAGES.items():
        times = [undone(lambda: page(connection, wanted, 0, 50)) for _ in range(rounds)]  # noqa: B023  run at once
        report.add(f"statements: {rows:,} items", middle(f"a page of 50: {name}", times, "ms"))
    connection.raw.close()
    times = [cpu_of("-m", "runflowd", "list", "-c", str(config)) * 1000 for _ in range(rounds + 1)][1:]
    report.add(f"statements: {rows:,} items", middle("CPU of `runflowd list`, no daemon", times, "ms", "300"))
