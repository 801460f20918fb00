"""Opening a database: what kept it from being opened is a sentence, and nothing is bought."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import psycopg

from runflowd.store.postgresql.connection import PostgresConnection
from runflowd.store.postgresql.examining import examine
from runflowd.store.postgresql.listening import Listener
from runflowd.store.postgresql.locks import Lock
from runflowd.store.postgresql.refusals import refusal
from runflowd.store.postgresql.schema import check_schema, find_schema, migrate, migrations

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.core.database import Database
    from runflowd.store.hosts import Session


def open_for_work(
    stack: ExitStack, database: Database, session: Session
) -> tuple[PostgresConnection, PostgresConnection]:
    """The connections that write and read. Raises `StoreError`."""
    lock = Lock.ALONE if session.alone else Lock.SHARED
    writer = hold(stack, database, session.id, lock, make=True)
    try:
        reader = PostgresConnection(database, session.id)
        stack.callback(reader.close)
    except psycopg.Error as error:
        raise refusal(database, error) from error
    return writer, reader


def listener(stack: ExitStack, database: Database, session: Session) -> Callable[[float], None]:
    """What waits for news of the other hosts, for at most so many seconds."""
    made = Listener(database, session.id)
    stack.callback(made.close)
    return made.wait


def hold(
    stack: ExitStack, database: Database, session: str, lock: Lock = Lock.ALONE, *, make: bool
) -> PostgresConnection:
    """A connection that keeps daemons away; `make` brings the tables up to date. Raises `StoreError`."""
    try:
        if make:
            _bring_up_to_date(database, session)
        connection = PostgresConnection(database, session, lock=lock)
        stack.callback(connection.close)
        check_schema(connection, database)
    except psycopg.Error as error:
        raise refusal(database, error) from error
    return connection


def _bring_up_to_date(database: Database, session: str) -> None:
    """Make or upgrade the tables, which nobody works with meanwhile."""
    with closing(PostgresConnection(database, session)) as connection:
        if find_schema(connection, database) == max(migrations()):
            return
    with closing(PostgresConnection(database, session, lock=Lock.ALONE)) as connection:
        migrate(connection, database)


def open_reader(database: Database) -> PostgresConnection:
    """A connection for a look. Raises `StoreError`."""
    with ExitStack() as stack:
        try:
            connection = PostgresConnection(database)
            stack.callback(connection.close)
            check_schema(connection, database)
        except psycopg.Error as error:
            raise refusal(database, error) from error
        stack.pop_all()
    return connection


def has_tables(database: Database) -> bool:
    """Whether anything was ever written to a database. Raises `StoreError`."""
    return bool(examine(database).schema)
