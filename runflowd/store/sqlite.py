"""One SQLite connection, opened with care, and the lock that keeps a second daemon away from a state file."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import sqlite3
import time
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from runflowd.errors import StateInUse, StoreError
from runflowd.store.clean_end import leave_mark, mark_of, read_mark
from runflowd.store.connection import Connection
from runflowd.store.statements import STATEMENTS
from runflowd.store.tables import SqliteTables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUSY_WAIT = 10.0
"""Seconds that a statement waits for another program to let go of the state file."""


LOCK_TIMEOUT = 10.0
"""Seconds that the lock of a process that is gone is waited for."""

LOCK_INTERVAL = 0.05
"""Seconds between two tries to take it."""


class Locked(StateInUse):
    """Another process has this state file open for work; with `gone`, one that was started by the one it names."""

    def __init__(self, path: Path, pid: str, *, gone: bool = False) -> None:
        self.pid = pid
        super().__init__(
            f"{path}: still locked for runflowd process {pid}, which is gone. Something that it had started holds the "
            f"lock: `fuser -v {_beside(path)}` names it; end that, and start again."
            if gone
            else f"{path}: in use by another runflowd (process {pid or 'unknown'}). "
            "Stop that one first, or give this one a state file of its own with `state:`."
        )


class Newer(StoreError):
    """The state file was written by a newer runflowd."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(
            f"{path}: has schema {found}, this program knows up to {known}. It was written by a newer runflowd: "
            "install that version again, or restore the copy made before the upgrade. Nothing was changed."
        )


class Damaged(StoreError):
    """The state file is not a sound database; it is left as it is."""

    def __init__(self, path: Path, finding: str) -> None:
        super().__init__(
            f"{path}: is damaged ({' '.join(finding.split())}). It holds what was paid for, so it is never replaced "
            "silently. Restore a copy made by `runflowd backup FILE`, or move it away and start with an empty state: "
            "rules whose results are there already then ask before they buy."
        )


class SqliteConnection(Connection):
    """A connection to a state file, or to one in memory."""

    raw: sqlite3.Connection
    statements = STATEMENTS
    failures = (sqlite3.Error,)
    wide_failures = (sqlite3.OperationalError,)
    """A full or failing disk, or one that is held by another program."""

    def tuples(self, name: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """Without a row object for each: half the price."""
        cursor = self.raw.cursor()
        cursor.row_factory = None
        return cursor.execute(STATEMENTS[name], values).fetchall()

    def tables(self) -> SqliteTables:
        return SqliteTables(self.raw)

    def begin(self) -> None:
        self.roll_back()
        self.raw.execute("BEGIN IMMEDIATE")

    def be_ready(self) -> None:
        self.roll_back()

    def begin_reading(self) -> None:
        """See sqlite.org/isolation.html."""
        self.roll_back()
        self.raw.execute("BEGIN DEFERRED")

    def commit(self) -> None:
        self.raw.execute("COMMIT")

    def roll_back(self) -> None:
        if self.raw.in_transaction:
            self.raw.execute("ROLLBACK")

    def is_passing(self, failure: Exception) -> bool:  # noqa: ARG002  the lock of a file is waited for
        return False

    def explain(self, failure: Exception, verb: str) -> str:
        if getattr(failure, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            others = "a backup, or a shell of sqlite3 in a transaction"
            return f"another program holds it ({failure}). Let that one end: {others}"
        return f"could not be {verb} ({failure}). {_REMEDIES[verb]}"

    @property
    def changes(self) -> int:
        return self.raw.total_changes


_REMEDIES = {"written": "Free space on that disk", "read": "Mend the disk it lies on"}


@contextmanager
def lock(path: Path) -> Iterator[bool]:
    """Hold the state file for this process alone; raise `Locked` naming the other one.

    Gives whether the file stands as one that ended in order has left it, and says so for the next if this one does.

    The kernel drops a `flock` with the last process that has the descriptor (flock(2)), so a crash leaves no stale
    lock. A child has it too, from its fork until it becomes another program: that moment is waited for.
    """
    descriptor = os.open(_beside(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, path)
        mark = read_mark(descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield mark != "" and mark == mark_of(path)
        leave_mark(descriptor, path)
    finally:
        os.close(descriptor)


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _take(descriptor: int, path: Path) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            gone = pid.isdecimal() and not os.path.exists(f"/proc/{pid}")  # noqa: PTH110  text
            if not gone or time.monotonic() >= deadline:
                raise Locked(path, pid, gone=gone) from None
            time.sleep(LOCK_INTERVAL)
        else:
            return


def refuse_folder(path: Path) -> None:
    """Raise `StoreError` where a folder stands in the place of the state file."""
    if path.is_dir():
        raise StoreError(f"{path}: is a folder. Name a file in it: `state: {path / 'state.db'}`.")


def connect(path: Path, *, readonly: bool = False) -> SqliteConnection:
    """Open the state file with the settings durability rests on; raise `StoreError` if it cannot be."""
    refuse_folder(path)
    try:
        raw = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={'ro' if readonly else 'rwc'}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        with ExitStack() as unless_ready:
            unless_ready.callback(raw.close)
            prepare(raw)
            raw.execute(f"PRAGMA busy_timeout = {int(1000 * BUSY_WAIT)}")
            raw.execute("PRAGMA foreign_keys = ON")
            raw.execute("PRAGMA cache_size = -2048")  # KiB; what is not here is in the page cache of the system
            if not readonly:
                raw.execute("PRAGMA journal_mode = WAL")
                raw.execute("PRAGMA synchronous = FULL")
                os.chmod(path, 0o600)  # noqa: PTH101  one call, no object needed
            unless_ready.pop_all()
    except sqlite3.DatabaseError as error:
        raise _explain(path, error) from error
    return SqliteConnection(raw)


def prepare(raw: sqlite3.Connection) -> None:
    """Have a connection give rows by name, and know the functions that the statements and migrations use."""
    raw.row_factory = sqlite3.Row
    raw.create_function("unhex", 1, _unhex, deterministic=True)  # which SQLite has since 3.41
    raw.create_function("sha256", 1, _sha256, deterministic=True)
    raw.create_function("name_matches", 2, _name_matches, deterministic=True)


def _unhex(text: str | None) -> bytes | None:
    try:
        return None if text is None else bytes.fromhex(text)
    except ValueError:
        return None


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _name_matches(name: bytes, pattern: str) -> bool:
    return _compiled(pattern).search(name) is not None


@lru_cache(maxsize=16)
def _compiled(pattern: str) -> re.Pattern[bytes]:
    """A pattern of `core/name_search.py`, whose letters stand for bytes."""
    return re.compile(pattern.encode("latin-1"))


def _explain(path: Path, error: sqlite3.Error) -> StoreError:
    if isinstance(error, sqlite3.OperationalError) and "not a database" not in str(error):
        return StoreError(f"{path}: cannot be opened ({error}). Check that its folder exists and is writable.")
    return Damaged(path, str(error))
