"""Both databases that the store may be in, and all that one of them holds."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from new_state import new_state

from runflowd.core.database import Database
from runflowd.store.sqlite import connect

if TYPE_CHECKING:
    from contextlib import ExitStack

    from runflowd.store import Connection
    from runflowd.system.paths import Place


class Backend:
    """A store with its tables and nothing in them; a file is made for it."""

    def __init__(self, place: Place, stack: ExitStack) -> None:
        self.place = place
        self._stack = stack
        if not isinstance(place, Database):
            new_state(place)

    def connect(self) -> Connection:
        """One more connection to it, as each process has its own."""
        connection = connection_to(self.place)
        self._stack.callback(connection.close)
        return connection


def connection_to(place: Place) -> Connection:
    """A connection that writes, to a store with its tables."""
    if not isinstance(place, Database):
        return connect(place)
    from runflowd.store.postgresql.connection import PostgresConnection

    return PostgresConnection(place)


def everything(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """All rows, by table."""
    is_file = isinstance(connection.raw, sqlite3.Connection)
    catalog = "sqlite_master WHERE type = 'table'" if is_file else "pg_tables WHERE schemaname = 'public'"
    names = [row[0] for row in connection.raw.execute(f"SELECT {'name' if is_file else 'tablename'} FROM {catalog}")]
    return {
        name: sorted((tuple(row) for row in connection.raw.execute(f"SELECT * FROM {name}")), key=repr)
        for name in names
    }
