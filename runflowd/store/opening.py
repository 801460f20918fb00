"""Opening the store, for work or for a look: a state file, or a database on a server."""

from __future__ import annotations

import importlib
import socket
import time
import uuid
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from runflowd.core.database import Database
from runflowd.errors import StoreError
from runflowd.store.hosts import Session, enter
from runflowd.store.moved import ARRIVING, clear_mark, ensure_here
from runflowd.store.schema import check_schema, create_if_missing, migrate
from runflowd.store.sqlite import Damaged, Locked, connect, lock, refuse_folder
from runflowd.store.store import NotDurable, NotReadable, Store
from runflowd.system.installing import install_command
from runflowd.system.processes import lasting_mark

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from runflowd.store.connection import Connection
    from runflowd.store.postgresql.examining import Examined
    from runflowd.system.paths import Place


class NoDriver(StoreError):
    """The library that speaks to PostgreSQL is not installed."""

    def __init__(self, database: Database, error: ImportError) -> None:
        super().__init__(
            f"{database}: cannot be opened, since psycopg is not installed here ({error}). "
            f"Install it: `{install_command('postgres')}`. Nothing is bought."
        )


@asynccontextmanager
async def open_store(place: Place, *, host: str = "", alone: bool = True) -> AsyncIterator[Store]:
    """Open the store for work: lock, check, migrate, and be on record as a session that lives. Raise `StoreError`.

    `host` is what the machine is called, by default as it calls itself. One that is not `alone` shares a database, and
    has to be seen from now on.
    """
    session = Session(uuid.uuid4().hex, host or socket.gethostname(), alone, lasting_mark())
    with ExitStack() as stack:
        opened = (
            partial(_postgresql(place).open_for_work, stack, place, session)
            if isinstance(place, Database)
            else partial(_open_file, stack, place)
        )
        writer, reader = await anyio.to_thread.run_sync(opened)
        await anyio.to_thread.run_sync(_take_over, writer, place)
        store = Store(place, session, writer, reader)
        if isinstance(place, Database) and not alone:
            store.listen = _postgresql(place).listener(stack, place, session)
        stack.callback(store.end_reads)
        await store.write(partial(enter, session=session, now=time.time()))
        yield store


def _open_file(stack: ExitStack, path: Path) -> tuple[Connection, Connection]:
    """The connections that write and read."""
    refuse_folder(path)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        in_order = stack.enter_context(lock(path))
        create_if_missing(path)
        writer = connect(path)
        stack.callback(writer.close)
        migrate(writer, path, unread=in_order)
        reader = connect(path, readonly=True)
        stack.callback(reader.close)
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened ({error.strerror}). Check that its folder is writable.") from error
    return writer, reader


def _take_over(writer: Connection, place: Place) -> None:
    """Raise `StoreError` unless the work goes on here; a move that was cut short at its very end is completed."""
    if ensure_here(writer, place, look_at):
        with in_transaction(writer, place):
            clear_mark(writer, ARRIVING)


def _postgresql(database: Database) -> Any:
    """The module that opens databases: psycopg is an extra, and loaded by those alone who have one."""
    try:
        return importlib.import_module("runflowd.store.postgresql.opening")
    except ImportError as error:
        raise NoDriver(database, error) from error


def open_reader(place: Place) -> Connection:
    """A connection for commands that look at the state while a daemon may be running.

    Raises `StoreError` when there is no state file, one of another schema than this program's, or one that was left.
    """
    connection = look_at(place)
    try:
        ensure_here(connection, place, look_at)
    except StoreError:
        connection.close()
        raise
    return connection


def look_at(place: Place) -> Connection:
    """The same, whether the work goes on there or has moved elsewhere."""
    if isinstance(place, Database):
        opened: Connection = _postgresql(place).open_reader(place)
        return opened
    ensure_exists(place)
    connection = connect(place, readonly=True)
    try:
        check_schema(connection, place)
    except StoreError:
        connection.close()
        raise
    return connection


@contextmanager
def holding(place: Place, *, make: bool = False) -> Iterator[Connection]:
    """A connection that keeps every daemon away, whether the work goes on at this place or has moved elsewhere.

    With `make` the tables are made, or brought up to date; without it they must be there. Raises `StoreError`.
    """
    with ExitStack() as stack:
        if isinstance(place, Database):
            yield _postgresql(place).hold(stack, place, uuid.uuid4().hex, make=make)
        elif make:
            yield _open_file(stack, place)[0]
        else:
            ensure_exists(place)
            stack.enter_context(lock(place))
            connection = connect(place)
            stack.callback(connection.close)
            check_schema(connection, place)
            yield connection


@contextmanager
def reading(place: Place) -> Iterator[Connection]:
    """`open_reader` for as long as it is needed. Trouble on the way is raised as `Damaged` or `NotReadable`."""
    connection = open_reader(place)
    try:
        yield connection
    except connection.wide_failures as error:
        raise NotReadable(place, connection.explain(error, "read")) from error
    except connection.failures as error:
        if isinstance(place, Database):
            raise NotReadable(place, connection.explain(error, "read")) from error
        raise Damaged(place, str(error)) from error
    finally:
        connection.close()


@contextmanager
def in_transaction(connection: Connection, place: Place) -> Iterator[None]:
    """What is entered is committed as a whole; a caller that raises closes the connection. Raises `NotDurable`."""
    try:
        connection.begin()
        yield
        connection.commit()
    except connection.wide_failures as error:
        raise NotDurable(place, connection.explain(error, "written")) from error


@contextmanager
def changing(place: Place) -> Iterator[Connection]:
    """A connection for a command that changes the state, beside a daemon or without one. Raises `StoreError`.

    A daemon that starts meanwhile waits for a file, and one that runs unheard sees what was changed.
    """
    if isinstance(place, Database):
        with closing(open_reader(place)) as connection:
            yield connection
        return
    ensure_exists(place)
    with ExitStack() as stack:
        held = _try_lock(stack, place)
        connection = connect(place)
        stack.callback(connection.close)
        if held:
            migrate(connection, place)
        check_schema(connection, place)
        ensure_here(connection, place, look_at)
        yield connection


def _try_lock(stack: ExitStack, path: Path) -> bool:
    try:
        stack.enter_context(lock(path))
    except Locked:
        return False
    return True


def is_there(place: Place) -> bool:
    """Whether there is a state yet. Raises `StoreError` for a database that cannot be asked."""
    return bool(_postgresql(place).has_tables(place)) if isinstance(place, Database) else place.exists()


def examine_database(database: Database) -> Examined:
    """What a database is like. Raises `StoreError` for one that cannot be used."""
    found: Examined = _postgresql(database).examine(database)
    return found


def ensure_exists(path: Path) -> None:
    """Raise `StoreError` when there is no state file."""
    if not path.exists():
        raise StoreError(f"{path}: there is no state file yet. It is made by the first `runflowd run` or `sync`.")
