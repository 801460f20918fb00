"""Connecting to a PostgreSQL database: set as the store needs it, and with others kept away where that is asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg

from runflowd.store.postgresql.errors import OLDEST_SERVER
from runflowd.store.postgresql.locks import HOLDER, LOCKS, WORKING, Lock
from runflowd.store.postgresql.settings import CLIENT, SERVER
from runflowd.store.postgresql.values import adapt, by_name

if TYPE_CHECKING:
    from runflowd.core.database import Database

GONE_TIMEOUT = 2.0
"""Seconds that the lock of a connection is waited for that has just ended: the server notices that a little later."""

_WHO = f"SELECT application_name {HOLDER}"
_END_OURS = f"SELECT pg_terminate_backend(pid, 5000) {HOLDER} AND application_name = %s AND pid <> pg_backend_pid()"


class Occupied(psycopg.OperationalError):  # type: ignore[misc]  # mypy looks into no extra
    """Another process works on the database."""


class TooOld(psycopg.OperationalError):  # type: ignore[misc]  # the same
    """A server of a version that lacks what is used."""


class Upgraded(psycopg.OperationalError):  # type: ignore[misc]  # the same
    """The tables are not those of this program any more."""


def connect(database: Database, name: str, lock: Lock) -> Any:
    """The driver's connection under a name, with its lock. Raises the driver's errors, `Occupied` and `TooOld`."""
    raw = psycopg.connect(
        database.address,
        autocommit=True,
        row_factory=by_name,
        connect_timeout=10,
        application_name=name,
        **CLIENT,
        options=" ".join(f"-c {each}={value}" for each, value in SERVER.items()),
    )
    if (version := raw.info.server_version // 10_000) < OLDEST_SERVER:
        raw.close()
        raise TooOld(str(version))
    adapt(raw)
    if lock is not Lock.NONE and not _take(raw, name, lock):
        other = raw.execute(_WHO, [LOCKS, WORKING]).fetchone()
        raw.close()
        raise Occupied(other[0].rpartition(", ")[0].removeprefix("runflowd ") if other else "it has just ended")
    return raw


def _take(raw: Any, name: str, lock: Lock) -> bool:
    """Keep others away, and end a connection of this very session that was lost and that the server still keeps."""
    raw.execute(_END_OURS, [LOCKS, WORKING, name])
    deadline = time.monotonic() + GONE_TIMEOUT
    while not raw.execute(f"SELECT {lock.value}({LOCKS}, {WORKING})").fetchone()[0]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
