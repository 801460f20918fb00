"""From a closed file to its batch at the service, beyond the waits that the rule asks for."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

from bench.configuration import configuration
from bench.pictures import picture
from bench.processes import Service, daemon
from bench.report import Figure, percentile

if TYPE_CHECKING:
    from pathlib import Path

    from bench.report import Report

REST = 0.2
"""Seconds that a file has to be quiet, and after it the batch."""


def measure(report: Report, folder: Path, *, drops: int) -> None:
    """Drop files one by one; the service's own record says when each was bought."""
    source, target = folder / "in", folder / "out"
    source.mkdir(parents=True)
    with Service(folder / "service") as service:
        config = configuration(service.url, {"bench": (source, target)}, rest=f"{REST * 1000:.0f}ms")
        with daemon(folder / "daemon", config) as running:
            running.until(lambda: "daemon.ready" in running.log.read_text("utf-8"), 30)
            time.sleep(1.0)  # the first rescan and the arming of watches belong to the start
            closed: list[float] = []
            for number in range(drops):
                closed.append(_drop(source / f"photo-{number:03}.jpg"))
                running.until(lambda wanted=number + 1: len(_bought(service)) >= wanted, 30)  # type: ignore[misc]
            running.end()
        late = [(bought - moment - 2 * REST) * 1000 for moment, bought in zip(closed, _bought(service), strict=True)]
    report.add(
        f"pick-up: {drops} single files, beyond settle and quiet, upload included",
        Figure("closed to bought, p50", percentile(late, 0.5), "ms"),
        Figure("closed to bought, p95", percentile(late, 0.95), "ms"),
        Figure("closed to bought, most", max(late), "ms"),
    )


def _drop(path: Path) -> float:
    with path.open("wb") as file:
        file.write(picture(50_000))
    return time.time()


def _bought(service: Service) -> list[float]:
    with closing(sqlite3.connect(f"file:{service.database}?mode=ro", uri=True)) as connection:
        return [row[0] for row in connection.execute("SELECT created_at FROM batches ORDER BY created_at")]
