"""A copy of the state file that is whole, made while a daemon works on it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from runflowd.errors import StoreError
from runflowd.store.connection import connect
from runflowd.store.store import ensure_exists
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from pathlib import Path


def copy_state(path: Path, target: Path) -> int:
    """Copy the state file to `target` in one reading transaction; give the size of the copy in bytes.

    The copy is whole and on disk under its name, or not there at all, and readable for its owner alone.
    Any schema is copied as it is. Raises StoreError when there is no state file, when `target` exists,
    or when the copy cannot be made.
    """
    ensure_exists(path)
    if os.path.lexists(target):
        raise StoreError(f"{target}: is there already, and a copy is never written over. Name another file.")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            with closing(connect(path, readonly=True).raw) as raw:
                raw.execute("VACUUM INTO ?", (str(draft),))
            _sync(draft)
            reach("backup.drafted")
            draft.rename(target)
            _sync(target.parent)
            return target.stat().st_size
        finally:
            draft.unlink(missing_ok=True)
    except (sqlite3.DatabaseError, OSError) as error:
        raise StoreError(f"{target}: the state file cannot be copied there ({error}). Nothing was left.") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
