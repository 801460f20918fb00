"""A tree of known files and the state file that goes with it, as a daemon leaves them, made without buying anything."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING

import anyio

from runflowd.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runflowd.store import Connection

FOLDER = 100
"""Files in one folder."""

_KNOWN = """
CREATE TEMP TABLE known (id INTEGER PRIMARY KEY, dir BLOB, basename BLOB, size INTEGER, mtime_ns INTEGER, inode INTEGER)
"""

_RECIPE = """INSERT INTO recipe (hash, input) VALUES (printf('%064x', 7), '{"image_url": "${file.url}"}')"""

_ITEMS = """
INSERT INTO item (id, rule, dir, basename, size, mtime_ns, inode, state, mime, content, recipe_number,
    reference, run_id, cost, period, approved, pixels, found_at, ready_at, bought_at, ended_at,
    generation)
SELECT id, 'bench', dir, basename, size, mtime_ns, inode, 'done', 'image/jpeg',
    unhex(printf('%08x%056x', id * 2654435761 % 4294967296, id)), 1, unhex(printf('%032x', id)),
    printf('run-%d', id), '0.018', date(:at, 'unixepoch'), 1, 64, :at, :at, :at, :at, 1
FROM known
"""

_OTHERS = (
    "INSERT INTO asset_kind (service, mime) VALUES ('http://127.0.0.1:9', 'image/jpeg')",
    "INSERT INTO account (service, model, rule) VALUES ('http://127.0.0.1:9', 'runflow/pass-through', 'bench')",
    """
    INSERT INTO history (item, at, state, detail)
    SELECT known.id, :at, step.column1, step.column2 FROM known CROSS JOIN (VALUES
        ('ready', 'stable, 2,000 bytes, image/jpeg, content 2df032d106cc'),
        ('queued', 'sealed in batch dcb6cf24ef444775bb8dd42c857fd295, as one of 100'),
        ('submitted', 'bought in batch batch-4'), ('downloading', 'run run-4-99 succeeded and cost $0.018'),
        ('done', 'result: shoot-0004/photo-000449.jpg')) AS step
    """,
    """
    INSERT INTO output (root, relative, key, item, position, content, size, written_at)
    SELECT :output, CAST(dir || '/' || basename AS BLOB),
        substr(sha256(CAST(:output || '/' || dir || '/' || basename AS TEXT)), 1, 16), id, 0,
        unhex(printf('%08x%056x', id * 2246822519 % 4294967296, id)), size, :at FROM known
    """,
    """
    INSERT INTO asset (content, kind, asset_id, url, confirmed_at)
    SELECT content, 1, printf('asset-%d', id),
        printf('http://127.0.0.1:9/content/%d', id), :at FROM item
    """,
    """
    INSERT INTO ledger (account, reference, item, kind, amount, currency, at, period, dir, run)
    SELECT 1, reference, id, 'charge', cost, currency, :at, period, dir, run_id FROM item
    """,
)


def plant(root: Path, output: Path, state: Path, files: int, *, at: float | None = None) -> None:
    """Make `files` empty files below `root`, and a state file in which all of them were done `at` (epoch seconds)."""
    for start in range(0, files, FOLDER):
        folder = root / f"shoot-{start // FOLDER:05}"
        folder.mkdir(parents=True)
        for number in range(start, min(files, start + FOLDER)):
            os.close(os.open(folder / f"photo-{number:06}.jpg", os.O_WRONLY | os.O_CREAT, 0o644))
    anyio.run(_record, root, output, state, time.time() if at is None else at)


async def _record(root: Path, output: Path, state: Path, at: float) -> None:
    async with open_store(state) as store:
        await store.write(partial(_insert, root=root, output=os.fsencode(output), at=at))


def _insert(connection: Connection, root: Path, output: bytes, at: float) -> None:
    raw = connection.raw
    raw.execute("PRAGMA cache_size = -500000")  # KiB: each row goes to thirty places
    raw.execute(_KNOWN)
    raw.execute(_RECIPE)
    raw.executemany("INSERT INTO known (dir, basename, size, mtime_ns, inode) VALUES (?, ?, ?, ?, ?)", _files(root))
    raw.execute(_ITEMS, {"at": at})
    for statement in _OTHERS:
        raw.execute(statement, {"at": at, "output": output})


def _files(root: Path) -> Iterator[tuple[bytes, bytes, int, int, int]]:
    for folder in sorted(root.iterdir()):
        with os.scandir(folder) as entries:
            for entry in entries:
                found = entry.stat()
                yield os.fsencode(folder.name), os.fsencode(entry.name), found.st_size, found.st_mtime_ns, found.st_ino
