"""How fast a tree of known files is looked through, beside find(1), and what knowing many files costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from bench.configuration import configuration
from bench.processes import ROOT, daemon
from bench.report import MIB, Figure, middle

if TYPE_CHECKING:
    from pathlib import Path

    from bench.report import Report

FEW = 1000
FOLDER = 100
"""Files in one folder."""


def measure(report: Report, folder: Path, *, files: int, rounds: int) -> None:
    """Rescan `files` files, all of them known; then weigh a daemon that knows few, and one that knows all."""
    weights = {}
    for known in (FEW, files):
        here = folder / f"known-{known}"
        _plant(here / "in", known)
        taken = _walk(here)
        weights[known] = _weigh(here)
    found = [_find(folder / f"known-{files}" / "in") for _ in range(rounds)]
    report.add(
        f"rescan: {files:,} known files in {files // FOLDER:,} folders",
        middle("CPU of a rescan, a file", [seconds / files * 1e6 for seconds in taken], "us"),
        middle("CPU of find -printf, a file", [seconds / files * 1e6 for seconds in found], "us"),
        Figure("rescan / find", min(found) / min(taken), "", ">= 0.4"),
        Figure(f"peak memory, {FEW:,} known", weights[FEW] / MIB, "MiB"),
        Figure(f"peak memory, {files:,} known", weights[files] / MIB, "MiB", "flat"),
    )


def _plant(root: Path, files: int) -> None:
    for start in range(0, files, FOLDER):
        folder = root / f"shoot-{start // FOLDER:05}"
        folder.mkdir(parents=True)
        for number in range(start, start + FOLDER):
            os.close(os.open(folder / f"photo-{number:06}.jpg", os.O_WRONLY | os.O_CREAT, 0o644))


def _config(here: Path) -> str:
    return configuration("http://127.0.0.1:9", {"bench": (here / "in", here / "out")})


def _walk(here: Path) -> list[float]:
    (here / "config.yaml").write_text(_config(here), "utf-8")
    environment = os.environ | {"STATE_DIRECTORY": str(here / "state")}
    command = [sys.executable, "-m", "bench.walk", str(here / "config.yaml")]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)  # noqa: S603  ours
    taken: list[float] = json.loads(done.stdout)["seconds"]
    return taken


def _weigh(here: Path) -> int:
    """Peak memory of a daemon that has rescanned once: it rests when it uses no more CPU."""
    with daemon(here, _config(here)) as running:
        running.until(lambda: "daemon.ready" in running.log.read_text("utf-8"), 60)
        before = -1.0
        while (used := running.cpu()) - before > 0.02:
            before = used
            time.sleep(1.0)
        return running.end().peak


def _find(root: Path) -> float:
    command = ["/usr/bin/env", "find", str(root), "-printf", r"%p %s %T@ %i\n"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603  a fixed command
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime
