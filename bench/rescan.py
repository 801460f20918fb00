"""What knowing many files costs: a rescan beside find(1), and a daemon's start, its memory and its rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.configuration import configuration
from bench.planted import plant
from bench.processes import ROOT, daemon
from bench.report import MIB, Figure, middle

if TYPE_CHECKING:
    from pathlib import Path

    from bench.processes import Program
    from bench.report import Report

FEW = 1000

QUIET = 60.0
"""Seconds for which a daemon at rest is watched."""


@dataclass(frozen=True, slots=True)
class Weight:
    """A daemon over `known` files: CPU seconds of rescans, of find(1), and until it is ready; CPU seconds a second of
    rest; and peak memory in bytes.
    """

    known: int
    rescans: list[float]
    finds: list[float]
    ready: float
    rest: float
    peak: int


def measure(report: Report, folder: Path, *, files: int) -> None:
    """Weigh a daemon that knows few files, and one that knows `files`."""
    few, many = (weigh(folder / f"known-{known}", known) for known in (FEW, files))
    report.add(
        f"rescan: {files:,} known files, 100 in a folder",
        middle("CPU of a rescan, a file", [seconds / files * 1e6 for seconds in many.rescans], "us"),
        middle("CPU of find -printf, a file", [seconds / files * 1e6 for seconds in many.finds], "us"),
        Figure("rescan / find", min(many.finds) / min(many.rescans), "", ">= 0.4"),
        Figure("CPU until ready", many.ready, "s", "< 1"),
        Figure(f"CPU at rest, over {QUIET:.0f} s", many.rest * 100, "% of a core", "< 0.1"),
        Figure(f"peak memory, {FEW:,} known", few.peak / MIB, "MiB"),
        Figure(f"peak memory, {files:,} known", many.peak / MIB, "MiB", "<= 100"),
    )


def weigh(folder: Path, known: int) -> Weight:
    """Plant a tree, walk it by itself, and let a daemon start over it and rest."""
    source, output, home = folder / "in", folder / "out", folder / "daemon"
    plant(source, output, home / "state" / "state.db", known)
    config = configuration("http://127.0.0.1:9", {"bench": (source, output)})
    (home / "config.yaml").write_text(config, "utf-8")
    rescans = _walk(home)
    finds = [_find(source) for _ in rescans]
    with daemon(home, config) as running:
        running.until(lambda: "daemon.ready" in running.log.read_text("utf-8"), 600, look=0.01)
        ready = running.cpu()
        _until_quiet(running)
        before = running.cpu()
        time.sleep(QUIET)
        rest = (running.cpu() - before) / QUIET
        return Weight(known, rescans, finds, ready, rest, running.end().peak)


def _walk(home: Path) -> list[float]:
    environment = os.environ | {"STATE_DIRECTORY": str(home / "state")}
    command = [sys.executable, "-m", "bench.walk", str(home / "config.yaml")]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)  # noqa: S603  ours
    taken: list[float] = json.loads(done.stdout)["seconds"]
    return taken


def _until_quiet(running: Program) -> None:
    before = -1.0
    while (used := running.cpu()) - before > 0.02:
        before = used
        time.sleep(2.0)


def _find(root: Path) -> float:
    command = ["/usr/bin/env", "find", str(root), "-printf", r"%p %s %T@ %i\n"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603  a fixed command
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime
