"""The schema of a database: made whole, upgraded step by step, and never guessed.

The first script makes what SQLite's migrations up to its number have made; each later one stands beside SQLite's of
the same number.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

from runflowd.store.postgresql.connecting import Upgraded
from runflowd.store.postgresql.errors import Unsuitable

if TYPE_CHECKING:
    from runflowd.core.database import Database
    from runflowd.store.postgresql.connection import PostgresConnection


def migrate(connection: PostgresConnection, database: Database) -> None:
    """Make the tables in an empty database, or bring them up to date, in one transaction. Raises `Unsuitable`."""
    _check_server(connection, database)
    connection.begin()
    found = find_schema(connection, database)
    for number, script in sorted(migrations().items()):
        if number > found:
            connection.raw.execute(script)
            connection.raw.execute("DELETE FROM schema_version")
            connection.raw.execute("INSERT INTO schema_version (version) VALUES (%s)", [number])
    connection.commit()


def check_schema(connection: PostgresConnection, database: Database) -> None:
    """Raise `Unsuitable` unless the database has the schema this program works with: a reader upgrades nothing."""
    found, known = find_schema(connection, database), max(migrations())
    if found == 0:
        raise Unsuitable(database, "is empty", "The first `runflowd run` or `sync` makes its tables")
    if found < known:
        raise Unsuitable(
            database,
            f"has schema {found}, this program reads {known}",
            "Start this version's `runflowd run` or `sync`, which brings it up to date; copy it by pg_dump before",
        )


def find_schema(connection: PostgresConnection, database: Database) -> int:
    """The number of the schema that is there, 0 in an empty database. Raises `Unsuitable` for anything else."""
    _check_server(connection, database)
    raw = connection.raw
    if raw.execute("SELECT to_regclass('public.schema_version')").fetchone()[0] is None:
        others = raw.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()[0]
        if others:
            finding = f"holds {others} tables that are not runflowd's"
            raise Unsuitable(database, finding, "Give runflowd a database of its own: createdb runflowd")
        return 0
    found, known = int(raw.execute("SELECT max(version) FROM schema_version").fetchone()[0]), max(migrations())
    if found > known:
        finding = f"has schema {found}, this program knows up to {known}: it was written by a newer runflowd"
        raise Unsuitable(database, finding, "Install that version again, or restore the copy made before the upgrade")
    return found


def require_own(raw: Any) -> None:
    """Raise `Upgraded` unless the tables are those of this program still, which others may have had for themselves."""
    found, known = int(raw.execute("SELECT max(version) FROM schema_version").fetchone()[0]), max(migrations())
    if found != known:
        raise Upgraded(f"its tables were upgraded to schema {found}, this program works with {known}")


def _check_server(connection: PostgresConnection, database: Database) -> None:
    raw = connection.raw
    if raw.execute("SELECT pg_is_in_recovery()").fetchone()[0]:
        raise Unsuitable(database, "is a replica, which takes no changes", "Name the primary server in `state`")
    encoding = raw.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        remedy = "Make one in UTF-8: createdb --template=template0 --encoding=UTF8 runflowd"
        raise Unsuitable(database, f"its encoding is {encoding}, which does not hold every text", remedy)


def migrations() -> dict[int, str]:
    """The scripts by the number of the schema that each leads to."""
    folder = resources.files(__package__) / "migrations"
    return {int(file.name[:4]): file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".sql")}
