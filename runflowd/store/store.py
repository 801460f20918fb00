"""The store as the stages see it: short functions run inside a transaction, many to one commit.

A commit costs one fsync however much it holds, so callers that arrive while one is under way are
gathered and committed together by whoever comes next to the lock. No background task is needed,
and an answer is given only after the data is on disk.
"""

from __future__ import annotations

import sqlite3
import threading
import uuid
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
import anyio.to_thread

from runflowd.errors import StoreError
from runflowd.store.connection import Connection, Damaged, connect, lock
from runflowd.store.schema import check_schema, create_if_missing, migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

MAX_TICKETS = 64
"""Pieces of work in one commit."""


class NotDurable(StoreError):
    """A change could not be written; it did not happen and no money may move on its strength."""

    def __init__(self, path: Path, error: sqlite3.Error) -> None:
        said = _held(error) or f"could not be written ({error}). Free space on that disk"
        super().__init__(f"{path}: {said}; work goes on by itself then.")


class NotReadable(StoreError):
    """What is on record could not be looked up; nothing was changed."""

    def __init__(self, path: Path, error: sqlite3.Error) -> None:
        said = _held(error) or f"could not be read ({error}). Mend the disk it lies on"
        super().__init__(f"{path}: {said}; work goes on by itself then.")


def _held(error: sqlite3.Error) -> str:
    """What is wrong, and what to do, when another program keeps the state file from being used; else ""."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return ""
    return f"another program holds it ({error}). Let that one end: a backup, or a shell of sqlite3 in a transaction"


class _Ticket(Generic[T]):
    """One caller's work and, after the commit, its answer."""

    __slots__ = ("done", "error", "result", "work")

    def __init__(self, work: Callable[[Connection], T]) -> None:
        self.work = work
        self.done = False
        self.result: T | None = None
        self.error: BaseException | None = None


class Store:
    """The open state file. `owner` names this process in leases; every opening has a new one.

    `commits` were made so far, and `changes` rows were written in them.
    """

    def __init__(self, path: Path, writer: Connection, reader: Connection) -> None:
        self.path = path
        self.owner = uuid.uuid4().hex
        self._writer = writer
        self._reader = reader
        self._turn = anyio.Lock(fast_acquire=True)
        self._reading = anyio.Lock(fast_acquire=True)
        self._reader_free = threading.Lock()
        self._queue: list[_Ticket[Any]] = []
        self.commits = 0
        self.changes = 0

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction on the writer's thread; return once it is durable.

        An exception in `work` undoes that work alone and is raised here. `NotDurable` means the
        commit itself failed and nothing of it happened.
        """
        ticket = _Ticket(work)
        self._queue.append(ticket)
        async with self._turn:
            while not ticket.done:
                gathered, self._queue = self._queue[:MAX_TICKETS], self._queue[MAX_TICKETS:]
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(self._commit, gathered)
        if ticket.error is not None:
            raise ticket.error
        return ticket.result  # type: ignore[return-value]  # set whenever there is no error

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on the reading connection: sees all that was committed, as of one moment; changes nothing.

        Raises `NotReadable` when the disk does not answer.
        """
        async with self._reading:
            return await anyio.to_thread.run_sync(self.read_here, work)

    def read_here(self, work: Callable[[Connection], T]) -> T:
        """As `read`, on the worker thread that calls it. Blocking."""
        with self._reader_free:
            try:
                return self._at_one_moment(work)
            except sqlite3.Error as error:
                raise NotReadable(self.path, error) from error

    def _at_one_moment(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction, so that all its statements see the same commits (sqlite.org/isolation.html)."""
        raw = self._reader.raw
        try:
            _roll_back(raw)
            raw.execute("BEGIN DEFERRED")
            return work(self._reader)
        finally:
            with suppress(sqlite3.Error):  # then the next read begins with it
                _roll_back(raw)

    def _commit(self, tickets: list[_Ticket[Any]]) -> None:
        raw = self._writer.raw
        try:
            _roll_back(raw)
            raw.execute("BEGIN IMMEDIATE")
            for ticket in tickets:
                self._attempt(ticket)
            raw.execute("COMMIT")
            self.commits += 1
            self.changes = raw.total_changes
        except sqlite3.Error as error:
            for ticket in tickets:
                ticket.error = NotDurable(self.path, error)
            with suppress(sqlite3.Error):  # then the next commit begins with it
                _roll_back(raw)
        for ticket in tickets:
            ticket.done = True

    def _attempt(self, ticket: _Ticket[Any]) -> None:
        raw = self._writer.raw
        raw.execute("SAVEPOINT ticket")
        try:
            ticket.result = ticket.work(self._writer)
        except sqlite3.OperationalError:
            raise  # a full or failing disk concerns the whole commit
        except Exception as error:  # noqa: BLE001  the caller gets its own exception, the others go on
            raw.execute("ROLLBACK TO ticket")
            ticket.error = error
        raw.execute("RELEASE ticket")


def _roll_back(raw: sqlite3.Connection) -> None:
    if raw.in_transaction:
        raw.execute("ROLLBACK")


@asynccontextmanager
async def open_store(path: Path) -> AsyncIterator[Store]:
    """Open the state file for work: lock, check, migrate. Raise `StoreError` when that cannot be."""
    with ExitStack() as stack:

        def prepare() -> Store:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            stack.enter_context(lock(path))
            create_if_missing(path)
            writer = connect(path)
            stack.callback(writer.raw.close)
            migrate(writer, path)
            reader = connect(path, readonly=True)
            stack.callback(reader.raw.close)
            return Store(path, writer, reader)

        try:
            store = await anyio.to_thread.run_sync(prepare)
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be opened ({error.strerror}). Check that its folder is writable."
            ) from error
        yield store


def open_reader(path: Path) -> Connection:
    """A read-only connection for commands that look at the state while a daemon may be running.

    Raises `StoreError` when there is no state file, or one of another schema than this program's.
    """
    ensure_exists(path)
    connection = connect(path, readonly=True)
    try:
        check_schema(connection, path)
    except StoreError:
        connection.raw.close()
        raise
    return connection


@contextmanager
def reading(path: Path) -> Iterator[Connection]:
    """`open_reader` for as long as it is needed. Trouble on the way is raised as `Damaged` or `NotReadable`."""
    connection = open_reader(path)
    try:
        yield connection
    except sqlite3.OperationalError as error:
        raise NotReadable(path, error) from error
    except sqlite3.DatabaseError as error:
        raise Damaged(path, str(error)) from error
    finally:
        connection.raw.close()


@contextmanager
def in_transaction(connection: Connection, path: Path) -> Iterator[None]:
    """What is entered is committed as a whole; a caller that raises closes the connection. Raises `NotDurable`."""
    try:
        connection.raw.execute("BEGIN IMMEDIATE")
        yield
        connection.raw.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise NotDurable(path, error) from error


def ensure_exists(path: Path) -> None:
    """Raise `StoreError` when there is no state file."""
    if not path.exists():
        raise StoreError(f"{path}: there is no state file yet. It is made by the first `runflowd run` or `sync`.")
