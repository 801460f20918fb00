"""What a file takes of the state file, by table: as a daemon leaves it, and when what need not be kept is gone."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from typing import TYPE_CHECKING

from bench.configuration import configuration
from bench.pictures import count_files, fill
from bench.processes import daemon
from bench.report import Figure
from bench.throughput import Stub
from runflowd.store.retention import KEPT, prune_steps, prune_stories, prune_uploads
from runflowd.store.sqlite import connect

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from bench.report import Report


def measure(report: Report, folder: Path, *, files: int) -> None:
    """Let a daemon do `files` files, and weigh the state file that it leaves."""
    sizes = state_sizes(folder, files)
    report.add(
        f"growth: the state file after {files:,} files",
        *(Figure(f"{name}, a file", sum(parts.values()), "bytes", "<= 1,000") for name, parts in sizes.items()),
        *(Figure(f"{name}: {table}", size, "bytes") for name, parts in sizes.items() for table, size in parts.items()),
    )


def state_sizes(folder: Path, files: int) -> dict[str, dict[str, float]]:
    """Bytes of the state file a file, by table with its indexes: as the daemon leaves it, and when old steps are gone.

    What an empty state file takes is not counted; the second is packed, as a copy by `runflowd backup` is.
    """
    source, output, home = folder / "in", folder / "out", folder / "daemon"
    fill(folder / "staging", files, 2000)
    source.mkdir()
    with Stub(folder, 0.0) as stub:
        config = configuration(stub.url, {"bench": (source, output)}, rest="100ms")
        with daemon(home, config) as running:
            running.until(lambda: "daemon.ready" in running.log.read_text("utf-8"), 60)
            (folder / "staging").rename(source / "pasted")
            running.until(lambda: count_files(output / "pasted") >= files, 900)
            time.sleep(2.0)
            running.end()
    with closing(connect(home / "state" / "state.db")) as connection:
        raw = connection.raw
        fresh = _by_table(raw, files)
        for prune in (prune_steps, prune_stories, prune_uploads):
            while prune(connection, time.time() + KEPT + 1):
                pass
        raw.execute("VACUUM")
        old = _by_table(raw, files)
    shutil.rmtree(folder)
    return {"as written": fresh, "after 90 days": old}


def _by_table(raw: sqlite3.Connection, files: int) -> dict[str, float]:
    """Whatever has one page is there without files, too."""
    rows = raw.execute(
        "SELECT tbl_name, sum(pgsize) AS bytes FROM "
        "(SELECT name, sum(pgsize) AS pgsize FROM dbstat GROUP BY name HAVING count(*) > 1) AS used "
        "JOIN sqlite_schema AS made ON made.name = used.name GROUP BY tbl_name ORDER BY bytes DESC"
    )
    return {row["tbl_name"]: row["bytes"] / files for row in rows}
