"""Files a second and CPU a file through the whole daemon, beside three plain programs, at several latencies.

Everybody gets the same files and a fresh stub of a service (`bench.stub`), from the same fresh environment.
"""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.configuration import configuration
from bench.pictures import count_files, fill
from bench.processes import Program, daemon
from bench.report import MIB, Figure
from bench.user_environment import user_environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.report import Report

WIDTHS = (8, 16, 32, 64)
"""Requests at once among which the plain aiohttp loop has its best."""

HTTPX_WIDTH = 16
"""The plain httpx loop's, at which it is about as fast as at any other."""

FAR = 0.2
"""Seconds of latency from which on width counts for more than CPU."""

SCRIPT_FILES = 200
"""Of which one thread does one after the other: at 200 ms of latency it takes most of a second for each."""

SCRIPT_THREADS = 16
"""Of the script that a user would write, where it does more than one thing at once."""

_ASIDE = {"poll", "GET items"}
"""Routes that only ask how far a batch is."""


@dataclass(frozen=True, slots=True)
class Run:
    """One way over `files`: seconds from the first look to the last result, CPU of that, and requests by route.

    `loop` is the CPU of the thread that runs the event loop; it holds the interpreter's lock nearly all of that time.
    """

    files: int
    seconds: float
    cpu: float
    requests: dict[str, int]
    peak: int = 0
    loop: float = 0.0

    @property
    def rate(self) -> float:
        """Files a second."""
        return self.files / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of CPU a file."""
        return self.cpu / self.files * 1000


class Contest:
    """All programs over the same files."""

    def __init__(self, folder: Path, files: int, size: int, python: str = "") -> None:
        self.folder = folder
        self.files = files
        self.staging = folder / "staging"
        fill(self.staging, files, size)
        self.python = python or str(user_environment(folder / "venv"))

    def plain(self, latency: float, module: str, *arguments: int) -> Run:
        """One of the plain programs."""
        target = self.folder / "out"
        with Stub(self.folder, latency) as stub:
            command = ("-m", f"bench.{module}", stub.url, str(self.staging), str(target), *map(str, arguments))
            with Program(self.folder / f"{module}.log", *command, python=self.python) as program:
                took = program.line()
            return Run(self.files, took["seconds"], took["cpu"], self.checked(stub, target))

    def daemon(self, latency: float) -> Run:
        """The program that all this is about: a folder is pasted into the one that it watches."""
        source, target, home = self.folder / "in", self.folder / "out", self.folder / "daemon"
        source.mkdir()
        with Stub(self.folder, latency) as stub:
            config = configuration(stub.url, {"bench": (source, target)}, rest="100ms")
            with daemon(home, config, python=self.python) as running:
                running.until(lambda: "daemon.ready" in running.log.read_text("utf-8"), 60)
                time.sleep(1.0)  # the first rescan and the arming of watches belong to the start
                start, loop, began = running.cpu(), running.cpu(of="loop"), time.monotonic()
                self.staging.rename(source / "pasted")
                running.until(lambda: count_files(target / "pasted") >= self.files, 900)
                seconds, loop = time.monotonic() - began, running.cpu(of="loop") - loop
                usage = running.end()
            (source / "pasted").rename(self.staging)
            requests = self.checked(stub, target / "pasted")
            run = Run(self.files, seconds, usage.cpu - start, requests, usage.peak, loop)
        for used in (source, target, home):
            shutil.rmtree(used, ignore_errors=True)
        return run

    def checked(self, stub: Stub, target: Path) -> dict[str, int]:
        """The stub's requests by route. Raises SystemExit unless every file was bought once and delivered."""
        ledger = stub.ledger()
        if count_files(target) != self.files or ledger["bought"] != [1] * self.files:
            raise SystemExit(f"{count_files(target)} of {self.files} delivered, {len(ledger['bought'])} bought")
        shutil.rmtree(target)
        found: dict[str, int] = ledger["requests"]
        return found


class Stub(Program):
    """A service that costs next to nothing."""

    def __init__(self, folder: Path, latency: float) -> None:
        super().__init__(folder / "stub.log", "-m", "bench.stub", str(latency))
        self.url: str = self.line()["url"]

    def ledger(self) -> dict[str, Any]:
        """What was bought, and how many requests came on each route."""
        with urllib.request.urlopen(f"{self.url}/_ledger") as answer:  # noqa: S310  our own address
            found: dict[str, Any] = json.load(answer)
        return found


def measure(report: Report, folder: Path, *, files: int, size: int, latencies: Sequence[float]) -> None:
    """Run everybody at every latency."""
    contest = Contest(folder, files, size)
    few = Contest(folder / "few", min(files, SCRIPT_FILES), size, contest.python)
    for latency in latencies:
        widths = {width: contest.plain(latency, "plain_aiohttp", width) for width in WIDTHS}
        width = min(widths, key=lambda each: widths[each].seconds)
        others = {
            f"aiohttp, {width} wide": widths[width],
            f"httpx, {HTTPX_WIDTH} wide": contest.plain(latency, "plain_httpx", HTTPX_WIDTH),
            f"script, {SCRIPT_THREADS} threads": contest.plain(latency, "naive", files, SCRIPT_THREADS),
            "script, 1 thread": few.plain(latency, "naive", few.files, 1),
        }
        title = f"throughput: {files:,} files of {size:,} bytes, {latency * 1000:.0f} ms of latency"
        report.add(title, *_figures(latency, others, contest.daemon(latency)))


def _figures(latency: float, others: dict[str, Run], run: Run) -> list[Figure]:
    said = {"daemon": run, **others}
    asked = sum(count for route, count in run.requests.items() if route not in _ASIDE)
    aims = (">= 0.9" if latency >= FAR else ">= 0.27", ">= 1.0", ">= 1.3", ">= 1.3")
    return [
        *(Figure(name, each.rate, "files/s") for name, each in said.items()),
        *(
            Figure(f"CPU a file, {name}", each.cpu_ms, "ms", "<= 6" if each is run else "")
            for name, each in said.items()
        ),
        Figure("CPU a file, daemon, event loop's thread", run.loop / run.files * 1000, "ms", "<= 3.4"),
        *(
            Figure(f"daemon / {name}", run.rate / each.rate, "", aim)
            for (name, each), aim in zip(others.items(), aims, strict=True)
        ),
        Figure("requests a file, daemon", asked / run.files, "", "<= 4.05"),
        Figure("peak memory, daemon", run.peak / MIB, "MiB", "<= 120"),
    ]
