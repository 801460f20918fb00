"""The n-th call fails: the calls to the system that `runflowd.files` makes, and those to SQLite, counted and refused.

What is wrapped is the border itself: the `os` that the modules of `runflowd.files` see, and the raw connections of
an open store. Nothing else of the process notices.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sqlite3
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from runflowd.files import renaming
from runflowd.store.sqlite import SqliteConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runflowd.store import Store

SYSTEM_CALLS = frozenset(
    {
        "open",
        "read",
        "pread",
        "write",
        "fsync",
        "fstat",
        "lstat",
        "stat",
        "statvfs",
        "scandir",
        "mkdir",
        "makedirs",
        "unlink",
        "rename",
        "link",
        "dup",
    }
)
"""Every call of `runflowd.files` that can fail; `close` releases its descriptor even when it says it failed."""

WORDS_OF_SQLITE = {
    errno.ENOSPC: "database or disk is full",
    errno.EIO: "disk I/O error",
    errno.EACCES: "unable to open database file",
}
"""What the library says when the system answered so (sqlite3ErrStr)."""


@dataclass
class Calls:
    """A counter that refuses: the `fatal`-th call from `arm` on, and with `lasting` all after it until `heal`.

    With `late` the call is done first and refused then, as when an answer is lost. `fatal` 0 refuses nothing.
    """

    fatal: int = 0
    code: int = errno.EIO
    lasting: bool = False
    late: bool = False
    made: list[str] = field(default_factory=list)
    _counting: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(self) -> None:
        """Count from now on."""
        self._counting = True

    def heal(self) -> None:
        """Refuse and count nothing any more."""
        self._counting = False

    @property
    def struck(self) -> bool:
        """Whether a call was refused."""
        return 0 < self.fatal <= len(self.made)

    def refuses(self, name: str) -> bool:
        """Count a call; say whether it is to fail."""
        if not self._counting:
            return False
        with self._lock:
            self.made.append(name)
            count = len(self.made)
        return count == self.fatal or (self.lasting and 0 < self.fatal < count)


@contextmanager
def failing_files(calls: Calls) -> Iterator[None]:
    """Let the calls of `runflowd.files` to the system pass through `calls`."""
    modules = [module for name, module in sys.modules.items() if name.startswith("runflowd.files.")]
    seen = [module for module in modules if vars(module).get("os") is os]
    proxy, real = _System(calls), renaming._renameat2
    for module in seen:
        vars(module)["os"] = proxy
    renaming._renameat2 = _refusing_rename(calls, real) if real else None
    try:
        yield
    finally:
        renaming._renameat2 = real
        for module in seen:
            vars(module)["os"] = os


class _System:
    """The module `os` with its calls counted."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name == "scandir":
            return lambda folder: _Entries(self._calls, folder)
        return self._counted(name, real) if name in SYSTEM_CALLS else real

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            _refuse(self._calls, name)
            return real(*arguments, **options)

        return call


class _Entries:
    """A listing whose opening, reading and looking each may fail."""

    def __init__(self, calls: Calls, folder: int) -> None:
        self._calls = calls
        _refuse(calls, "scandir")
        self._real = os.scandir(folder)

    def __enter__(self) -> Iterator[_Entry]:
        return self._entries()

    def __exit__(self, *_: object) -> None:
        self._real.close()

    def _entries(self) -> Iterator[_Entry]:
        while True:
            _refuse(self._calls, "readdir")
            entry = next(self._real, None)
            if entry is None:
                return
            yield _Entry(self._calls, entry)


class _Entry:
    """One name in a listing."""

    def __init__(self, calls: Calls, real: os.DirEntry[str]) -> None:
        self.name = real.name
        self._calls = calls
        self._real = real

    def stat(self, *, follow_symlinks: bool) -> os.stat_result:
        """Look at the file."""
        _refuse(self._calls, "stat of an entry")
        return self._real.stat(follow_symlinks=follow_symlinks)


def _refuse(calls: Calls, name: str) -> None:
    if calls.refuses(name):
        raise OSError(calls.code, os.strerror(calls.code))


def _refusing_rename(calls: Calls, real: Callable[..., int]) -> Callable[..., int]:
    def rename(*arguments: Any) -> int:
        if calls.refuses("renameat2"):
            ctypes.set_errno(calls.code)
            return -1
        return real(*arguments)

    return rename


def fail_database(calls: Calls, store: Store) -> None:
    """Let every statement of an open store pass through `calls`."""
    for connection in (store._writer, store._reader):
        if isinstance(connection, SqliteConnection):
            connection.raw = _Database(calls, connection.raw)  # type: ignore[assignment]  # as much of one as is used
        else:
            import_module("failing_server").fail_server(calls, connection)


class _Database:
    """A connection whose statements are counted."""

    def __init__(self, calls: Calls, real: sqlite3.Connection) -> None:
        self._calls = calls
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Run a statement, or say what SQLite says when the disk refuses it."""
        return self._counted(sql, lambda: self._real.execute(sql, *values))

    def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Run a statement for many rows."""
        return self._counted(sql, lambda: self._real.executemany(sql, *values))

    def _counted(self, sql: str, run: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        name = " ".join(sql.split()[:3])
        if self._calls.refuses(name):
            if self._calls.late and name == "COMMIT":
                run()
            raise sqlite3.OperationalError(WORDS_OF_SQLITE[self._calls.code])
        return run()
