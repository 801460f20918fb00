"""Following a daemon through its state file, until everything that was dropped has ended."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.demo.process import DaemonStuck
from runflowd.incidents import Trouble
from runflowd.oneshot import Progress
from runflowd.store import open_reader
from runflowd.store.facts import incidents, outputs_of
from runflowd.store.holder import holder
from runflowd.store.reports import count_states, ended_since

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runflowd.demo.process import DaemonProcess
    from runflowd.store import Connection
    from runflowd.store.reports import Entry

LOOK = 0.2
"""Seconds between two looks."""

PATIENCE = 300.0
"""Seconds in which something has to move."""

ENDED = (ItemState.DONE, ItemState.FAILED, ItemState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one drop; `outputs` are absolute paths, none for a failure."""

    entry: Entry
    outputs: tuple[str, ...]


def wait_until_ready(process: DaemonProcess, state: Path) -> None:
    """Wait until the daemon holds its state file. Raises DaemonEnded, DaemonStuck."""
    deadline = time.monotonic() + PATIENCE
    while holder(state) != process.pid or not state.exists():
        process.check()
        if time.monotonic() > deadline:
            raise DaemonStuck("the daemon did not start", PATIENCE, process.log)
        time.sleep(LOOK)


def follow(process: DaemonProcess, state: Path, expected: int, show: Callable[[Progress], None]) -> None:
    """Look until `expected` items have ended, showing each look. Raises DaemonEnded, DaemonStuck."""
    connection = open_reader(state)
    try:
        before, deadline = Progress({}, 0, ()), time.monotonic() + PATIENCE
        while True:
            progress = _look(connection, expected)
            show(progress)
            if progress.total(*ENDED) >= expected:
                return
            process.check()
            if progress != before:
                before, deadline = progress, time.monotonic() + PATIENCE
            if time.monotonic() > deadline:
                raise DaemonStuck("nothing moved", PATIENCE, process.log)
            time.sleep(LOOK)
    finally:
        connection.raw.close()


def _look(connection: Connection, expected: int) -> Progress:
    counts = count_states(connection)
    troubles = tuple(Trouble(each.scope, each.code, each.message, each.remedy) for each in incidents(connection))
    known = sum(sum(states.values()) for states in counts.values())
    return Progress(counts, max(0, expected - known), troubles)


def results(state: Path) -> tuple[Result, ...]:
    """Everything that ended, in the order of rules and paths."""
    connection = open_reader(state)
    try:
        found = [
            Result(entry, tuple(output.path for output in outputs_of(connection, entry.id)))
            for entry in ended_since(connection, 0.0)
        ]
    finally:
        connection.raw.close()
    return tuple(found)
