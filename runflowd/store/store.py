"""The store as the stages see it: short functions run inside a transaction, many to one commit.

A commit costs one fsync however much it holds, so callers that arrive while one is under way are
gathered and committed together by whoever comes next to the lock. No background task is needed,
and an answer is given only after the data is on disk.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
import anyio.to_thread

from runflowd.errors import StoreError
from runflowd.store.hosts import living
from runflowd.store.leases import free_leases

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.store.connection import Connection
    from runflowd.store.hosts import Session
    from runflowd.system.paths import Place

T = TypeVar("T")

MAX_TICKETS = 64
"""Pieces of work in one commit."""


MAX_TURNS = 5
"""Times that a commit is tried that others were in the way of."""


class NotDurable(StoreError):
    """A change could not be written; it did not happen and no money may move on its strength."""

    def __init__(self, place: Place, explanation: str) -> None:
        super().__init__(f"{place}: {explanation}; work goes on by itself then.")


class NotReadable(StoreError):
    """What is on record could not be looked up; nothing was changed."""

    def __init__(self, place: Place, explanation: str) -> None:
        super().__init__(f"{place}: {explanation}; work goes on by itself then.")


class _Ticket(Generic[T]):
    """One caller's work and, after the commit, its answer."""

    __slots__ = ("done", "error", "result", "work")

    def __init__(self, work: Callable[[Connection], T]) -> None:
        self.work = work
        self.done = False
        self.result: T | None = None
        self.error: BaseException | None = None


class Store:
    """The open state file or database, in the name of a session, which `owner` is in claims.

    `commits` were made so far, and `changes` rows were written in them.
    """

    def __init__(self, place: Place, session: Session, writer: Connection, reader: Connection) -> None:
        self.place = place
        self.session = session
        self.owner = session.id
        self._writer = writer
        self._reader = reader
        self._turn = anyio.Lock(fast_acquire=True)
        self._reading = anyio.Lock(fast_acquire=True)
        self._reader_free = threading.Lock()
        self._reads_ended = False
        self._queue: list[_Ticket[Any]] = []
        self.listen: Callable[[float], None] | None = None
        """Waits for news of the other hosts, where there may be any."""
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
            if self._reads_ended:
                raise NotReadable(self.place, "is closed, since the program ends")
            try:
                return self._at_one_moment(work)
            except self._reader.failures as error:
                raise NotReadable(self.place, self._reader.explain(error, "read")) from error

    async def wait_for_news(self, seconds: float) -> None:
        """Wait until another host has written something, at most so long; where there is none, just as long."""
        if self.listen is None:
            await anyio.sleep(seconds)
        else:
            await anyio.to_thread.run_sync(self.listen, seconds, abandon_on_cancel=True)

    def end_reads(self) -> None:
        """Wait for the read under way, and refuse what comes after it. To be called before the connections are closed.

        A thread that a hanging folder has held up may come when nobody waits for it any more, and SQLite crashes when a
        connection is closed under a statement (sqlite.org/c3ref/close.html).
        """
        with self._reader_free:
            self._reads_ended = True

    def _at_one_moment(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction, so that all its statements see the same commits."""
        reader = self._reader
        try:
            reader.begin_reading()
            return work(reader)
        finally:
            with suppress(*reader.failures):  # then the next read begins with it
                reader.roll_back()

    def _commit(self, tickets: list[_Ticket[Any]]) -> None:
        writer, turn = self._writer, 1
        while True:
            try:
                self._take_turn(tickets)
                break
            except writer.failures as error:
                with suppress(*writer.failures):  # then the next commit begins with it
                    writer.roll_back()
                if turn < MAX_TURNS and writer.is_passing(error):
                    turn += 1
                    continue
                for ticket in tickets:
                    ticket.error = NotDurable(self.place, writer.explain(error, "written"))
                break
        for ticket in tickets:
            ticket.done = True

    def _take_turn(self, tickets: list[_Ticket[Any]]) -> None:
        """Run all tickets in one transaction, from their beginning: an earlier turn has left nothing."""
        writer = self._writer
        writer.begin()
        if writer.overlooked:  # whoever made claims in it knows nothing of them
            free_leases(writer, living(writer, time.time()) - {self.owner})
        for ticket in tickets:
            ticket.error = None
            self._attempt(ticket)
        writer.commit()
        self.commits += 1
        self.changes = writer.changes

    def _attempt(self, ticket: _Ticket[Any]) -> None:
        writer = self._writer
        writer.begin_part()
        try:
            ticket.result = ticket.work(writer)
            writer.end_part()
        except writer.wide_failures:
            raise
        except Exception as error:  # noqa: BLE001  the caller gets its own exception, the others go on
            writer.undo_part()
            ticket.error = error
