"""Many files at once: all done, none twice, memory bounded, and nobody else starved."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.configuration import configuration
from bench.pictures import count_files, fill, picture
from bench.processes import Service, daemon
from bench.report import MIB, Figure

if TYPE_CHECKING:
    from pathlib import Path

    from bench.report import Report

SIZE = 2000
"""Bytes of one file: what is measured is the number of files."""


def measure(report: Report, folder: Path, *, files: int) -> None:
    """Move a whole tree into one rule's folder, then one file into another's."""
    fill(folder / "staging", files, SIZE)
    (folder / "other").mkdir()
    rules = {name: (folder / name, folder / f"{name}-out") for name in ("flood", "other")}
    with Service(folder / "service") as service:
        config = configuration(service.url, rules, rest="200ms")
        (folder / "flood").mkdir()
        with daemon(folder / "daemon", config) as running:
            running.until(lambda: "daemon.ready" in running.log.read_text("utf-8"), 30)
            time.sleep(1.0)
            idle = running.memory("VmRSS")
            began = time.monotonic()
            (folder / "staging").rename(folder / "flood" / "pasted")
            running.until((folder / "flood-out" / "pasted").exists, 120)
            waited = _other(folder, running.until)
            running.until(lambda: count_files(folder / "flood-out" / "pasted") >= files, max(900, files / 5))
            seconds = time.monotonic() - began
            usage = running.end()
        ledger = service.ledger()
    twice = sum(charge["times"] > 1 for charge in ledger["charges"])
    if twice or ledger["charged_times"] != files + 1:
        raise SystemExit(f"{ledger['charged_times']} of {files + 1} files bought, {twice} more than once")
    report.add(
        f"load: {files:,} files of {SIZE:,} bytes at once",
        Figure("delivered", count_files(folder / "flood-out" / "pasted"), "files", f"{files:,}"),
        Figure("bought", ledger["charged_times"], "files", f"{files + 1:,}"),
        Figure("bought twice", twice, "files", "0"),
        Figure("rate", files / seconds, "files/s"),
        Figure("another rule's single file, till delivered", waited, "s"),
        Figure("CPU per file", usage.cpu / files * 1000, "ms"),
        Figure("memory before", idle / MIB, "MiB"),
        Figure("peak memory", usage.peak / MIB, "MiB", "<= 120"),
    )


def _other(folder: Path, until: object) -> float:
    """Drop one file for the other rule while the flood is being worked on; seconds till its result is there."""
    assert callable(until)
    (folder / "other" / "single.jpg").write_bytes(picture(SIZE))
    began = time.monotonic()
    until((folder / "other-out" / "single.jpg").exists, 900)
    return time.monotonic() - began
