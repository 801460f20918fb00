"""One connection to a PostgreSQL database: opened with care, taken up again when it was lost.

Writers take turns by a lock of the database, as SQLite's do by the lock of the file: a transaction that decides by
what it has read, as whether a content is new or a limit lets a purchase through, needs no other care then. Whoever
hangs in the middle of its turn is thrown out of it by the server.
"""

from __future__ import annotations

import os
import re
import socket
import time
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors
from psycopg.adapt import Dumper
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import IntLoader

from runflowd.store.connection import Connection
from runflowd.store.postgresql.dialect import translated
from runflowd.store.postgresql.tables import PostgresTables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from runflowd.core.database import Database

LOCKS = 0x72756E66
"""The first half of the names of our locks in a database; the second is one of those below."""

WORKING, WRITING = 1, 2
"""Who works on the database at all, alone or with others, for as long as it is connected; whose turn it is to write."""

TURN = 30
"""Seconds that a statement may take or be waited for, and that a transaction may stand still."""

RESOLVE_TIMEOUT = 10.0
"""Seconds for which the outcome of a commit whose answer was lost is asked for."""

GONE_TIMEOUT = 2.0
"""Seconds that the lock of a connection is waited for that has just ended: the server notices that a little later."""

_SETTINGS = {
    "statement_timeout": f"{TURN}s",
    "idle_in_transaction_session_timeout": f"{TURN}s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "timezone": "UTC",
    "search_path": "public",
}

_CLIENT = {"keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 10_000}
"""The same on this side of the connection: a server that is cut off is noticed within the time that a host may act."""

_CHANGE = re.compile(r"(UPDATE|INSERT|DELETE)\b")

_HOLDER = """
FROM pg_locks JOIN pg_stat_activity USING (pid) JOIN pg_database ON pg_database.oid = pg_locks.database
WHERE locktype = 'advisory' AND classid = %s AND objid = %s AND pg_database.datname = current_database()
"""
_WHO = f"SELECT application_name {_HOLDER}"
_END_OURS = f"SELECT pg_terminate_backend(pid, 5000) {_HOLDER} AND application_name = %s AND pid <> pg_backend_pid()"


class Lock(Enum):
    """What a connection keeps away from the database for as long as it is open, by the names of the functions."""

    NONE = ""
    SHARED = "pg_try_advisory_lock_shared"
    """Whoever works on it alone."""
    ALONE = "pg_try_advisory_lock"
    """Everybody else who works on it."""


class Occupied(psycopg.OperationalError):  # type: ignore[misc]  # mypy looks into no extra
    """Another process works on the database."""


class PostgresRow:
    """A row by the names of its columns or by their places."""

    __slots__ = ("_places", "_values")

    def __init__(self, places: dict[str, int], values: Sequence[Any]) -> None:
        self._places = places
        self._values = values

    def __getitem__(self, key: str | int) -> Any:
        return self._values[key if isinstance(key, int) else self._places[key]]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def keys(self) -> Iterable[str]:
        """The names of the columns."""
        return self._places.keys()


class _Flag(Dumper):  # type: ignore[misc]  # the same
    """Truth as SQLite keeps it: a number."""

    oid = psycopg.adapters.types["int2"].oid

    def dump(self, obj: Any) -> bytes:
        return b"1" if obj else b"0"


class PostgresConnection(Connection):
    """A connection to a database, in the name of a session; its `lock` keeps others away."""

    statements = translated()
    failures = (psycopg.Error,)
    wide_failures = (psycopg.OperationalError, psycopg.InterfaceError)

    def __init__(self, database: Database, session: str = "", *, lock: Lock = Lock.NONE) -> None:
        self._database = database
        self._name = f"runflowd on {socket.gethostname()[:24]}, process {os.getpid()}, {session[:12]}"
        self._lock = lock
        self._transaction = ""
        self._changes = 0
        super().__init__(self._opened())

    def _opened(self) -> Any:
        raw = psycopg.connect(
            self._database.address,
            autocommit=True,
            row_factory=_rows,
            connect_timeout=10,
            application_name=self._name,
            **_CLIENT,
            options=" ".join(f"-c {name}={value}" for name, value in _SETTINGS.items()),
        )
        raw.adapters.register_dumper(bool, _Flag)
        raw.adapters.register_loader("numeric", IntLoader)  # no column is one: it is a sum of integers
        if self._lock is not Lock.NONE and not self._take(raw):
            other = raw.execute(_WHO, [LOCKS, WORKING]).fetchone()
            raw.close()
            raise Occupied(other[0].rpartition(", ")[0].removeprefix("runflowd ") if other else "it has just ended")
        return raw

    def _take(self, raw: Any) -> bool:
        """Keep others away, and end a connection of this very session that was lost and that the server still keeps."""
        raw.execute(_END_OURS, [LOCKS, WORKING, self._name])
        deadline = time.monotonic() + GONE_TIMEOUT
        while not raw.execute(f"SELECT {self._lock.value}({LOCKS}, {WORKING})").fetchone()[0]:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _execute(self, name: str, values: dict[str, Any]) -> Any:
        cursor = super()._execute(name, values)
        if _CHANGE.match(self.statements[name]):
            self._changes += max(cursor.rowcount, 0)
        return cursor

    def run_many(self, name: str, /, rows: list[dict[str, Any]]) -> None:
        with self.raw.cursor() as cursor:
            cursor.executemany(self.statements[name], rows)
            self._changes += len(rows)

    def tables(self) -> PostgresTables:
        return PostgresTables(self.raw)

    def begin(self) -> None:
        self._ensure_open()
        # Whatever the server's default is: what others did before this turn is seen by every statement after it.
        begin = "BEGIN ISOLATION LEVEL READ COMMITTED"
        names = self.raw.execute(
            f"{begin}; SELECT pg_advisory_xact_lock({LOCKS}, {WRITING}), pg_current_xact_id()::text"
        )
        names.nextset()
        self._transaction = names.fetchone()[1]

    def begin_reading(self) -> None:
        self._ensure_open()
        self.raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def _ensure_open(self) -> None:
        if self.raw.closed:
            self.raw = self._opened()
        self.roll_back()

    def commit(self) -> None:
        try:
            done = self.raw.execute("COMMIT").statusmessage
        except self.wide_failures:
            if not self._was_committed():
                raise
        else:
            if done != "COMMIT":
                raise psycopg.OperationalError("the server took the transaction back")

    def _was_committed(self) -> bool:
        """What became of a commit whose answer was lost: the server knows, once it can be asked again."""
        deadline = time.monotonic() + RESOLVE_TIMEOUT
        while time.monotonic() < deadline:
            with suppress(*self.wide_failures):
                self.raw.close()
                self.raw = self._opened()
                row = self.raw.execute("SELECT pg_xact_status(CAST(%s AS xid8))", [self._transaction]).fetchone()
                if row[0] != "in progress":
                    return bool(row[0] == "committed")
            time.sleep(0.2)
        return False

    def roll_back(self) -> None:
        if not self.raw.closed and self.raw.info.transaction_status != TransactionStatus.IDLE:
            self.raw.execute("ROLLBACK")

    def is_passing(self, failure: Exception) -> bool:
        return isinstance(failure, errors.SerializationFailure | errors.DeadlockDetected)

    def explain(self, failure: Exception, verb: str) -> str:
        said = " ".join(str(failure).split())
        return f"could not be {verb} ({said}). See that the server runs and can be reached"

    @property
    def changes(self) -> int:
        return self._changes

    def close(self) -> None:
        with suppress(*self.failures):
            self.roll_back()
            if self._lock is not Lock.NONE and not self.raw.closed:
                self.raw.execute("SELECT pg_advisory_unlock_all()")  # at once, not when the server notices the end
        self.raw.close()


def _rows(cursor: Any) -> Callable[[Sequence[Any]], PostgresRow]:
    places = {column.name: place for place, column in enumerate(cursor.description or ())}
    return lambda values: PostgresRow(places, values)
