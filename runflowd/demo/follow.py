"""Following a daemon through its state file, until everything that was dropped has ended."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.app.sync_run import Progress
from runflowd.core.incident_scope import parse_scope
from runflowd.core.lifecycle import ItemState
from runflowd.demo.process import DaemonStuck
from runflowd.observability.incidents import IncidentReport
from runflowd.store import open_reader
from runflowd.store.outputs import outputs_of
from runflowd.store.reports import count_states, ended_since, incidents
from runflowd.store.state_file import holder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runflowd.demo.process import DaemonProcess
    from runflowd.store import Connection
    from runflowd.store.reports import Entry

CHECK_INTERVAL = 0.2
"""Seconds between two looks."""

RESULT_TIMEOUT = 300.0
"""Seconds in which something has to move."""

ENDED = (ItemState.DONE, ItemState.FAILED, ItemState.OUTCOME_UNKNOWN)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one drop; `outputs` are absolute paths, none for a failure."""

    entry: Entry
    outputs: tuple[str, ...]


def wait_until_ready(process: DaemonProcess, state: Path) -> None:
    """Wait until the daemon holds its state file. Raises DaemonEnded, DaemonStuck."""
    deadline = time.monotonic() + RESULT_TIMEOUT
    while holder(state) != process.pid or not state.exists():
        process.check()
        if time.monotonic() > deadline:
            raise DaemonStuck("the daemon did not start", RESULT_TIMEOUT, process.log)
        time.sleep(CHECK_INTERVAL)


def follow(process: DaemonProcess, state: Path, expected: int, show: Callable[[Progress], None]) -> None:
    """Look until `expected` items have ended, showing each look. Raises DaemonEnded, DaemonStuck."""
    connection = open_reader(state)
    try:
        before, deadline = Progress({}, 0, ()), time.monotonic() + RESULT_TIMEOUT
        while True:
            progress = _look(connection, expected)
            show(progress)
            if progress.total(*ENDED) >= expected:
                return
            process.check()
            if progress != before:
                before, deadline = progress, time.monotonic() + RESULT_TIMEOUT
            if time.monotonic() > deadline:
                raise DaemonStuck("nothing moved", RESULT_TIMEOUT, process.log)
            time.sleep(CHECK_INTERVAL)
    finally:
        connection.raw.close()


def _look(connection: Connection, expected: int) -> Progress:
    counts = count_states(connection)
    errors = tuple(
        IncidentReport(parse_scope(each.scope), each.code, each.message, each.remedy) for each in incidents(connection)
    )
    known = sum(sum(states.values()) for states in counts.values())
    return Progress(counts, max(0, expected - known), errors)


def results(state: Path) -> tuple[Result, ...]:
    """Everything that ended, in the order of rules and paths."""
    connection = open_reader(state)
    try:
        found = [
            Result(entry, tuple(str(output.path) for output in outputs_of(connection, entry.id)))
            for entry in ended_since(connection, 0.0)
        ]
    finally:
        connection.raw.close()
    return tuple(found)
