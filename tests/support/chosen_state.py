"""Where the state of a test is: in a file, or, with `RUNFLOWD_TEST_STATE=postgresql`, in a database for each folder.

So the tests of the pipeline, which say nothing of where the state is, are tried over both (`make postgresql`).
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from postgres_server import quick_server

from runflowd.core.database import Database

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.system.paths import Place

ON_POSTGRESQL = os.environ.get("RUNFLOWD_TEST_STATE") == "postgresql"


def state_of(folder: Path, *, on_postgresql: bool = ON_POSTGRESQL) -> Place:
    """The place of the state of a test that works in a folder; a database has its tables, a file is yet to be made.

    The same folder has the same database, also for a process that was forked off.
    """
    if not on_postgresql:
        return folder / "state.db"
    return quick_server().copied(f"at_{sha256(bytes(folder)).hexdigest()[:16]}")


def rows_at(place: Place, sql: str, *values: Any) -> list[Any]:
    """Ask a state past every connection of the program's; each value takes the place of a `?`."""
    if not isinstance(place, Database):
        with closing(sqlite3.connect(f"{place.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(sql, values).fetchall()
    from runflowd.store.postgresql.connection import PostgresConnection

    with closing(PostgresConnection(place)) as connection:
        return list(connection.raw.execute(_theirs(sql), values).fetchall())


def change_at(place: Place, sql: str, *values: Any) -> int:
    """Change a state from outside, such as to let time pass in it; how many rows were."""
    if not isinstance(place, Database):
        with closing(sqlite3.connect(place, timeout=10)) as connection, connection:
            return connection.execute(sql, values).rowcount
    from runflowd.store.postgresql.connection import PostgresConnection

    with closing(PostgresConnection(place)) as changing:
        return int(changing.raw.execute(_theirs(sql), values).rowcount)


def _theirs(sql: str) -> str:
    """A question of the tests' in PostgreSQL's words."""
    from runflowd.store.postgresql.dialect import translate

    numbered = sql.replace("json_each(?)", "json_each(:v)")
    return translate(numbered).replace("%(v)s", "%s").replace("?", "%s")
