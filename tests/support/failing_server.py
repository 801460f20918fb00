"""The n-th call to a database server fails: the connection is lost, or the server has no room left.

What is wrapped is the border: the raw connections of an open store, also those that are taken up anew.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import psycopg

from runflowd.store.postgresql import connection as module

if TYPE_CHECKING:
    from collections.abc import Callable

    from failing_calls import Calls

    from runflowd.store.postgresql.connection import PostgresConnection

SHORT_TIMEOUT = 0.2
"""Seconds for which the outcome of a commit is asked for in these lives."""


def fail_server(calls: Calls, connection: PostgresConnection) -> None:
    """Let every statement of a connection, and every new connection in its place, pass through `calls`."""
    module.RESOLVE_TIMEOUT = SHORT_TIMEOUT
    opened = connection._opened

    def refusing() -> _Connection:
        if calls.refuses("connect"):
            raise psycopg.OperationalError("connection refused")
        return _Connection(calls, opened())

    vars(connection)["_opened"] = refusing
    connection.raw = _Connection(calls, connection.raw)


class _Connection:
    """A connection whose statements are counted."""

    def __init__(self, calls: Calls, real: Any) -> None:
        self._calls = calls
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def execute(self, sql: str, *values: Any, **options: Any) -> Any:
        """Run a statement, or say what the driver says."""
        return self.counted(sql, lambda: self._real.execute(sql, *values, **options))

    def cursor(self) -> _Cursor:
        """For a statement that is run for many rows."""
        return _Cursor(self, self._real.cursor())

    def counted(self, sql: str, run: Callable[[], Any]) -> Any:
        """Run it unless it is to fail; what was lost late was done."""
        name = " ".join(sql.split()[:3])
        if not self._calls.refuses(name):
            return run()
        if self._calls.late and name == "COMMIT":
            run()
        if self._calls.code == errno.ENOSPC:
            self._roll_back(name)
            raise psycopg.errors.DiskFull("could not extend file: No space left on device")
        self._real.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    def _roll_back(self, name: str) -> None:
        """The server itself ends a commit that fails; any other statement leaves a transaction that is no good."""
        with suppress(psycopg.Error):
            self._real.execute("ROLLBACK" if name == "COMMIT" else "SELECT no_room_left()")


class _Cursor:
    """A cursor whose statements are counted."""

    def __init__(self, connection: _Connection, real: Any) -> None:
        self._connection = connection
        self._real = real

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._real.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def executemany(self, sql: str, rows: Any, *, returning: bool = False) -> Any:
        """Run a statement for many rows."""
        return self._connection.counted(sql, lambda: self._real.executemany(sql, rows, returning=returning))
