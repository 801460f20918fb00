"""What `runflowd status` costs over a large state file: CPU of the command, and of the daemon that answers it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import anyio

from bench.configuration import configuration
from bench.processes import ROOT, daemon
from bench.report import Figure, middle
from runflowd.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from bench.report import Report
    from runflowd.store import Connection

_ROWS = """
WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :rows)
INSERT INTO item (rule, dir, basename, size, mtime_ns, inode, state, content, mime, reference, cost,
                  failure_code, failure, note_state, found_at, ready_at, ended_at)
SELECT 'bench', CAST(printf('shoot-%05d', n / 100) AS BLOB), CAST(printf('photo-%06d.jpg', n) AS BLOB), 5000000, n, n,
       iif(n % 100 = 0, 'failed', iif(n % 500 = 1, 'waiting', 'done')), unhex(printf('%064x', n)), 'image/jpeg',
       unhex(printf('%032x', n)), iif(n % 100 = 0 OR n % 500 = 1, NULL, '0.018'),
       iif(n % 100 = 0, 'NO_SUBJECT_FOUND', ''), iif(n % 100 = 0, 'No subject found', ''), 'written', :now, :now, :now
FROM number
"""
"""Of a hundred files one has failed, of five hundred one waits, and everything was bought today."""


def measure(report: Report, folder: Path, *, rows: int, rounds: int) -> None:
    """Ask a daemon with `rows` items `rounds` times, then as often the state file without a daemon."""
    folder.mkdir(parents=True)
    (folder / "in").mkdir()
    state, config = folder / "state.db", folder / "config.yaml"
    text = config_over(folder, state)
    anyio.run(fill, state, rows)
    with daemon(folder, text) as running:
        running.until(lambda: "daemon.ready" in running.log.read_text("utf-8"), 60)
        _ask(config)  # the first one finds no bytecode, and nothing in the page cache
        before = running.cpu()
        asked = [_ask(config) for _ in range(rounds)]
        answering = (running.cpu() - before) / rounds
        running.end()
    alone = [_ask(config) for _ in range(rounds)]
    report.add(
        f"status: {rows:,} items",
        middle("CPU of `runflowd status`", [each * 1000 for each in asked], "ms"),
        Figure("CPU of the daemon for its answer", answering * 1000, "ms"),
        Figure("both", (sorted(asked)[rounds // 2] + answering) * 1000, "ms", "100"),
        middle("CPU of `runflowd status`, no daemon", [each * 1000 for each in alone], "ms"),
        middle("CPU of `python -c pass`", [cpu_of("-c", "pass") * 1000 for _ in range(rounds)], "ms"),
    )


def config_over(folder: Path, state: Path) -> str:
    """One rule and a service that is not there; the state file lies where `fill` made it."""
    return configuration("http://127.0.0.1:9", {"bench": (folder / "in", folder / "out")}, state=state)


async def fill(state: Path, rows: int) -> None:
    """Make a state file with so many items of one rule."""
    async with open_store(state) as store:
        await store.write(partial(_insert, rows=rows))


def _insert(connection: Connection, rows: int) -> None:
    connection.raw.execute(_ROWS, {"rows": rows, "now": time.time()})


def _ask(config: Path) -> float:
    return cpu_of("-m", "runflowd", "status", "-c", str(config), home=config.parent)


def cpu_of(*arguments: str, home: Path | None = None) -> float:
    """User and system seconds of a Python process. Bytecode is kept, as it is where runflowd is installed.

    With a `home`, it is that of the daemon that is asked: by it the two find each other.
    """
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""} | ({"HOME": str(home)} if home else {})
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} ended by {process.returncode}")
    return used.ru_utime + used.ru_stime
