"""Files a second through the whole daemon, beside the floor, each against a fresh local service."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.configuration import configuration
from bench.pictures import count_files, fill
from bench.processes import Program, Service, Usage, daemon
from bench.report import MIB, Figure, middle

if TYPE_CHECKING:
    from pathlib import Path

    from bench.report import Report

_POLL = "GET /v1/batches/{id}"


@dataclass(frozen=True, slots=True)
class Round:
    """One run over all files: wall-clock seconds, what the process used, and its requests."""

    seconds: float
    usage: Usage
    requests: dict[str, int]

    @property
    def polls(self) -> int:
        """Requests that only asked whether a batch was ready."""
        return self.requests.get(_POLL, 0)

    def requests_per_file(self, files: int) -> float:
        """All other requests, by file."""
        calls = {route: count for route, count in self.requests.items() if "_control" not in route}
        return (sum(calls.values()) - self.polls) / files


def measure(report: Report, folder: Path, *, files: int, size: int, rounds: int) -> None:
    """Run floor and daemon in turn, `rounds` times each, over the same files."""
    source = folder / "in"
    fill(source, files, size)
    floors: list[Round] = []
    daemons: list[Round] = []
    for number in range(rounds):
        # Every other round begins with the other one, so that neither always has the warmer machine.
        runs = [
            lambda number=number: floors.append(_floor_round(folder / f"floor-{number}", source, files)),
            lambda number=number: daemons.append(_daemon_round(folder / f"daemon-{number}", source, files)),
        ]
        for run in runs if number % 2 == 0 else reversed(runs):
            run()
    shutil.rmtree(source)
    report.add(f"throughput: {files:,} files of {size:,} bytes, {rounds} rounds", *_figures(files, floors, daemons))


def _figures(files: int, floors: list[Round], daemons: list[Round]) -> list[Figure]:
    ratios = [floor.seconds / run.seconds for floor, run in zip(floors, daemons, strict=True)]
    return [
        middle("daemon", [files / run.seconds for run in daemons], "files/s"),
        middle("floor", [files / run.seconds for run in floors], "files/s"),
        middle("daemon / floor", ratios, "", ">= 0.7"),
        middle("requests per file, daemon", [run.requests_per_file(files) for run in daemons], "", "<= 4.2"),
        middle("requests per file, floor", [run.requests_per_file(files) for run in floors], ""),
        middle("polls, daemon", [run.polls for run in daemons], ""),
        middle("polls, floor", [run.polls for run in floors], ""),
        middle("CPU, daemon", [run.usage.cpu for run in daemons], "s"),
        middle("CPU, floor", [run.usage.cpu for run in floors], "s"),
        middle("CPU per file, daemon", [run.usage.cpu / files * 1000 for run in daemons], "ms"),
        middle("peak memory, daemon", [run.usage.peak / MIB for run in daemons], "MiB", "<= 120"),
        middle("peak memory, floor", [run.usage.peak / MIB for run in floors], "MiB"),
    ]


def _floor_round(folder: Path, source: Path, files: int) -> Round:
    target = folder / "out"
    with Service(folder / "service") as service:
        began = time.monotonic()
        with Program(folder / "floor.log", "-m", "bench.floor", service.url, str(source), str(target)) as floor:
            floor.line()
            seconds = time.monotonic() - began
            usage = floor.end()
        return _round(folder, target, files, seconds, usage, service.ledger())


def _daemon_round(folder: Path, source: Path, files: int) -> Round:
    target = folder / "out"
    with Service(folder / "service") as service:
        config = configuration(service.url, {"bench": (source, target)}, rest="100ms")
        began = time.monotonic()
        with daemon(folder / "daemon", config) as running:
            running.until(lambda: count_files(target) >= files, 600)
            seconds = time.monotonic() - began
            usage = running.end()
        return _round(folder, target, files, seconds, usage, service.ledger())


def _round(folder: Path, target: Path, files: int, seconds: float, usage: Usage, ledger: dict[str, Any]) -> Round:
    delivered = count_files(target)
    if delivered != files or ledger["charged_times"] != files:
        raise SystemExit(f"{folder}: {delivered} of {files} delivered, {ledger['charged_times']} bought")
    shutil.rmtree(target)
    shutil.rmtree(folder / "service" / "data", ignore_errors=True)
    return Round(seconds, usage, ledger["requests"])
