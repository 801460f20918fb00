"""The state file from outside: looked at, copied, and who works on it, by somebody who changes nothing."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runflowd.errors import StoreError
from runflowd.store.opening import ensure_exists
from runflowd.store.schema import migrations
from runflowd.store.sqlite import Damaged, connect
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.system.paths import Place


MAX_BYTES = 32
"""Bytes of a lock file that are read; a process id has fewer."""


@dataclass(frozen=True, slots=True)
class Integrity:
    """The schema of a file, the newest one this program knows, and the file's size in bytes."""

    schema: int
    known: int
    size: int


def examine(path: Path) -> Integrity:
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
    return Integrity(schema, len(migrations()), path.stat().st_size)


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
        why = (error.strerror if isinstance(error, OSError) else "") or str(error)
        remedy = f"Make the folder {target.parent} first. " if isinstance(error, FileNotFoundError) else ""
        raise StoreError(
            f"{target}: the state file cannot be copied there ({why}). {remedy}Nothing was left."
        ) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def holder(path: Place) -> int | None:
    """The process of this machine that works on a state file, None when there is none, and for a database.

    The lock file names it; whether it lives is asked of /proc, since taking the lock, even for a
    moment, could turn away a daemon that is just starting.
    """
    if not isinstance(path, Path):
        return None
    lock = path.with_name(path.name + ".lock")
    try:
        pid = int(_beginning(lock))
        held = set(_open_files(pid))
    except PermissionError:
        return pid if lock.exists() else None  # somebody else's process: it is there, more cannot be seen
    except (OSError, ValueError):
        return None
    return pid if str(lock.resolve()) in held else None


def _beginning(lock: Path) -> bytes:
    """The first bytes of a lock file, which is a plain file: who may write the folder's mark may name any path.

    Opening a pipe would wait for its other end, and a device may have effects or no end.
    """
    descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, MAX_BYTES) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    finally:
        os.close(descriptor)


def _open_files(pid: int) -> Iterator[str]:
    """What a process has open. The handle that lists them, when it is our own, is gone when it is read."""
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            yield os.readlink(entry)  # noqa: PTH115  # text is compared
