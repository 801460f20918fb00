"""The state in a database on a server beside one in a file: files a second, claims, commits, and the server's CPU.

The same files go through one daemon over a file, and through one or several over a database, which find them in one
folder, at each latency of the service. Server, daemons and service share this machine; the rounds are taken by turns.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from bench.configuration import configuration
from bench.pictures import count_files, fill
from bench.postgres import Postgres
from bench.processes import daemon
from bench.report import middle
from bench.throughput import Stub
from bench.user_environment import user_environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.processes import Program
    from bench.report import Report

CLAIMS = "SELECT (SELECT sum(generation) FROM batch) + (SELECT sum(generation) FROM item)"
"""Each claim of a batch or of an item counts one generation."""

COMMITS = "SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)"
"""Transactions of the server that had a number: those that looked have none."""


@dataclass(frozen=True, slots=True)
class Run:
    """All files once: seconds, CPU seconds of the daemons and of the server, claims, and commits of the server."""

    seconds: float
    cpu: float
    server: float
    commits: int
    claims: int = 0


class Course:
    """The same files again and again."""

    def __init__(self, folder: Path, server: Postgres, files: int, size: int) -> None:
        self._folder = folder
        self._python = str(user_environment(folder / "venv", "postgres"))
        self._server = server
        self._files = files
        self._runs = 0
        fill(folder / "staging", files, size)

    def over_a_file(self, latency: float) -> Run:
        """One daemon, its state in a file."""
        state = self._folder / "state.db"
        run = self._run(1, str(state), latency)
        with closing(sqlite3.connect(state)) as connection:
            (claims,) = connection.execute(CLAIMS).fetchone()
        for leftover in self._folder.glob("state.db*"):
            leftover.unlink()
        return replace(run, claims=claims)

    def over_a_database(self, daemons: int, latency: float) -> Run:
        """So many daemons, their state in a database of their own."""
        self._runs += 1
        name = f"run{self._runs}"
        address = self._server.database(name)
        run = self._run(daemons, address, latency)
        ((claims,),) = self._server.ask(CLAIMS, name)
        self._server.ask(f"DROP DATABASE {name} WITH (FORCE)", "postgres")
        return replace(run, claims=int(claims))

    def _run(self, daemons: int, state: str, latency: float) -> Run:
        """From the paste to the last result."""
        source, target, homes = self._folder / "in", self._folder / "out", self._folder / "homes"
        source.mkdir()
        with ExitStack() as stack:
            stub = stack.enter_context(Stub(self._folder, latency))
            document = json.loads(configuration(stub.url, {"bench": (source, target)}, rest="100ms"))
            text = json.dumps({**document, "state": state})
            running = []
            for number in range(daemons):
                each = stack.enter_context(daemon(homes / str(number), text, python=self._python, host=f"host{number}"))
                each.until(partial(_is_ready, each), 60)
                running.append(each)
            time.sleep(1.0)  # the first rescan and the arming of watches belong to the start
            commits, server = self._commits(), self._server.cpu()
            before, began = sum(each.cpu() for each in running), time.monotonic()
            (self._folder / "staging").rename(source / "pasted")
            running[0].until(lambda: count_files(target / "pasted") >= self._files, 1800)
            seconds = time.monotonic() - began
            used = sum(each.cpu() for each in running) - before
            server, commits = self._server.cpu() - server, self._commits() - commits
            for each in running:
                each.end()
            bought = stub.ledger()["bought"]
        (source / "pasted").rename(self._folder / "staging")
        for folder in (source, target, homes):
            shutil.rmtree(folder)
        if bought != [1] * self._files:
            raise SystemExit(f"{len(bought)} of {self._files} bought, or one of them twice")
        return Run(seconds, used, server, commits)

    def _commits(self) -> int:
        ((number,),) = self._server.ask(COMMITS, "postgres")
        return int(number)


def _is_ready(program: Program) -> bool:
    return "daemon.ready" in program.log.read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: so many files, so often, with so many daemons, at these latencies in seconds."""

    files: int
    size: int
    rounds: int
    daemons: Sequence[int]
    latencies: Sequence[float]


def measure(report: Report, folder: Path, plan: Plan) -> None:
    """At each latency by turns a file, and a database with each number of daemons."""
    with Postgres(folder / "server") as server:
        course = Course(folder, server, plan.files, plan.size)
        for latency in plan.latencies:
            by_file: list[Run] = []
            by_database: dict[int, list[Run]] = {count: [] for count in plan.daemons}
            for _ in range(plan.rounds):
                by_file.append(course.over_a_file(latency))
                for count in plan.daemons:
                    by_database[count].append(course.over_a_database(count, latency))
            _add(report, plan, latency, by_file, by_database)


def _add(report: Report, plan: Plan, latency: float, by_file: list[Run], by_database: dict[int, list[Run]]) -> None:
    files, milliseconds = plan.files, f"{latency * 1000:.0f} ms of latency"
    title = f"fleet: {files:,} files of {plan.size:,} bytes, {plan.rounds} rounds, {milliseconds}"
    report.add(
        title,
        middle("SQLite, one daemon", [files / run.seconds for run in by_file], "files/s"),
        middle("SQLite: the daemon's CPU a file", [run.cpu / files * 1000 for run in by_file], "ms"),
    )
    for count, runs in by_database.items():
        name = f"PostgreSQL, {count} daemon{'s' * (count > 1)}"
        beside = [file.seconds / run.seconds for file, run in zip(by_file, runs, strict=True)]
        report.add(
            title,
            middle(name, [files / run.seconds for run in runs], "files/s"),
            middle(f"{name} / SQLite", beside, "", ">= 0.8" if count == 1 else ""),
            middle(f"{name}: claims", [run.claims / run.seconds for run in runs], "a second"),
            middle(f"{name}: commits", [run.commits / run.seconds for run in runs], "a second"),
            middle(f"{name}: commits a file", [run.commits / files for run in runs], ""),
            middle(f"{name}: the daemons' CPU a file", [run.cpu / files * 1000 for run in runs], "ms"),
            middle(f"{name}: the server's CPU a file", [run.server / files * 1000 for run in runs], "ms"),
        )
