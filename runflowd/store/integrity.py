"""A look at a state file of any schema, by somebody who must change nothing and needs no lock."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.errors import StoreError
from runflowd.store.connection import Damaged, connect
from runflowd.store.schema import migrations
from runflowd.store.store import ensure_exists

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Soundness:
    """The schema of a file, the newest one this program knows, and the file's size in bytes."""

    schema: int
    known: int
    size: int


def examine(path: Path) -> Soundness:
    """Read a whole state file once. Raises `Damaged` for one that is not sound, `StoreError` if it cannot be read.

    The time grows with the size: SQLite looks at every page, though not at the order of indexes (`PRAGMA quick_check`).
    """
    ensure_exists(path)
    try:
        with closing(connect(path, readonly=True).raw) as raw:
            schema = raw.execute("PRAGMA user_version").fetchone()[0]
            finding = raw.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        raise StoreError(f"{path}: cannot be read ({error})") from error
    except sqlite3.DatabaseError as error:
        raise Damaged(path, str(error)) from error
    if finding != "ok":
        raise Damaged(path, finding)
    return Soundness(schema, len(migrations()), path.stat().st_size)
