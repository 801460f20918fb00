"""The schema of the state file: made whole, upgraded step by step, and never guessed."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from runflowd.errors import StoreError
from runflowd.store.sqlite import Damaged, Newer, SqliteConnection, connect, prepare
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.store.connection import Connection


def create_if_missing(path: Path) -> None:
    """Make an empty state file whole, under another name first: an empty one is never our doing.

    Raises `Damaged` when only the log of a state file is left: SQLite would silently throw that away.
    """
    if path.exists():
        if not path.stat().st_size:
            raise Damaged(path, "it is empty")
        return
    if _size(path.with_name(f"{path.name}-wal")):
        raise Damaged(path, "the file is gone, its write-ahead log is still there")
    draft = path.with_name(f"{path.name}.new")
    for leftover in (draft, path.with_name(f"{draft.name}-wal"), path.with_name(f"{draft.name}-shm")):
        leftover.unlink(missing_ok=True)
    connection = connect(draft)
    migrate(connection, draft)
    connection.raw.close()
    draft.rename(path)
    _sync_folder(path.parent)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def migrate(connection: Connection, path: Path, *, unread: bool = False) -> None:
    """Bring the schema up to date, each step in one transaction; refuse a newer or damaged file. A new file takes one.

    The whole file is read for that, but for one that need not be upgraded and that may stay `unread` (`clean_end.py`).
    A copy named after the old schema is kept beside the file before the first step of an upgrade.
    Raises `StoreError` when there is no room for it; nothing was changed then.
    """
    raw, steps = connection.raw, migrations()
    try:
        found = raw.execute("PRAGMA user_version").fetchone()[0]
        known = unread and found == len(steps)
        finding = "ok" if known else raw.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise Damaged(path, str(error)) from error
    if finding != "ok":
        raise Damaged(path, finding)
    if found > len(steps):
        raise Newer(path, found, len(steps))
    try:
        if 0 < found < len(steps):
            _keep_copy(raw, Path(f"{path}.schema-{found}.{os.getpid()}"))
        raw.execute("PRAGMA foreign_keys = OFF")  # as sqlite.org/lang_altertable.html has tables made anew
        for number, script in _transactions(steps, found):
            raw.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")
            reach("state.migrated")
        raw.execute("PRAGMA foreign_keys = ON")
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"{path}: cannot be brought from schema {found} to {len(steps)} ({error}). It is as it was: "
            "make room on that disk (twice the size of the file), then start again."
        ) from error


def in_memory() -> SqliteConnection:
    """An empty store that is gone with its connection."""
    raw = sqlite3.connect(":memory:", isolation_level=None)
    prepare(raw)
    for script in migrations():
        raw.executescript(script)
    raw.execute("PRAGMA foreign_keys = ON")
    return SqliteConnection(raw)


def _transactions(steps: list[str], found: int) -> list[tuple[int, str]]:
    """The scripts still to be run, each with the schema that it leads to; a new file takes all of them as one."""
    if found == 0:
        return [(len(steps), "\n".join(steps))]
    return list(enumerate(steps, start=1))[found:]


def check_schema(connection: Connection, path: Path) -> None:
    """Raise `StoreError` unless the file has the schema this program works with: a reader upgrades nothing."""
    try:
        found = connection.raw.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise Damaged(path, str(error)) from error
    known = len(migrations())
    if found > known:
        raise Newer(path, found, known)
    if found < known:
        raise StoreError(
            f"{path}: has schema {found}, this program reads {known}. Start this version's `runflowd run` or `sync`, "
            "which brings the file up to date and keeps a copy of it."
        )


def _keep_copy(raw: sqlite3.Connection, copy: Path) -> None:
    """The file as it is, whole under its name or not at all."""
    draft = copy.with_name(f"{copy.name}.new")
    draft.unlink(missing_ok=True)
    try:
        raw.execute("VACUUM INTO ?", (str(draft),))
        draft.rename(copy)
    finally:
        draft.unlink(missing_ok=True)
    reach("state.copied")


def migrations() -> list[str]:
    """The migration scripts in order; the n-th leads to schema n."""
    folder = Path(__file__).with_name("migrations")
    return [file.read_text("utf-8") for file in sorted(folder.iterdir(), key=lambda file: file.name)]
