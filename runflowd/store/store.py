"""The store as the stages see it: short functions run inside a transaction, many to one commit.

A commit costs one fsync however much it holds, so callers that arrive while one is under way are
gathered and committed together by whoever comes next to the lock. No background task is needed,
and an answer is given only after the data is on disk.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
import anyio.to_thread

from runflowd.errors import StoreError
from runflowd.store.hosts import living
from runflowd.store.leases import free_leases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runflowd.store.connection import Connection
    from runflowd.store.hosts import Session
    from runflowd.system.paths import Place

T = TypeVar("T")
V = TypeVar("V")

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
    """One caller's work, what it is about and, after the commit, its answer."""

    __slots__ = ("done", "error", "result", "value", "work")

    def __init__(self, work: Callable[[Connection, list[Any]], Sequence[T]], value: object = None) -> None:
        self.work = work
        self.value = value
        self.done = False
        self.result: T | None = None
        self.error: BaseException | None = None


class Store:
    """The open state file or database, in the name of a session, which `owner` is in claims.

    `commits` were made so far, and `changes` rows were written in them. `unwritten` is why the last one failed, "" if
    it did not: of all trouble this alone cannot be on record.
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
        self.unwritten = ""

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction on the writer's thread; return once it is durable.

        An exception in `work` undoes that work alone and is raised here. `NotDurable` means the
        commit itself failed and nothing of it happened.
        """
        return await self._carry_out(_Ticket(partial(_alone, work)))

    async def write_together(self, work: Callable[[Connection, list[V]], Sequence[T]], value: V) -> T:
        """As `write`, for work of which much comes at once: `work` is given the values of all that ask for just this.

        It gives an answer for each. If it raises, each value is tried by itself, as if it had come alone.
        """
        return await self._carry_out(_Ticket(work, value))

    async def _carry_out(self, ticket: _Ticket[T]) -> T:
        self._queue.append(ticket)
        async with self._turn:
            while not ticket.done:
                gathered, self._queue = self._queue[:MAX_TICKETS], self._queue[MAX_TICKETS:]
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(self._commit, gathered)
        if ticket.error is not None:
            raise ticket.error
        return ticket.result  # type: ignore[return-value]  # set whenever there is no error

    async def read(self, work: Callable[[Connection], T], *, single: bool = False) -> T:
        """Run `work` on the reading connection: sees all that was committed, as of one moment; changes nothing.

        A `single` statement is of one moment by itself. Raises `NotReadable` when the disk does not answer.
        """
        async with self._reading:
            return await anyio.to_thread.run_sync(partial(self.read_here, work, single=single))

    def read_here(self, work: Callable[[Connection], T], *, single: bool = False) -> T:
        """As `read`, on the worker thread that calls it. Blocking."""
        with self._reader_free:
            if self._reads_ended:
                raise NotReadable(self.place, "is closed, since the program ends")
            try:
                if single:
                    self._reader.be_ready()
                    return work(self._reader)
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
                self.unwritten = ""
                break
            except writer.failures as error:
                with suppress(*writer.failures):  # then the next commit begins with it
                    writer.roll_back()
                if turn < MAX_TURNS and writer.is_passing(error):
                    turn += 1
                    continue
                explanation = writer.explain(error, "written")
                for ticket in tickets:
                    ticket.error = NotDurable(self.place, explanation)
                self.unwritten = str(NotDurable(self.place, explanation))
                break
        for ticket in tickets:
            ticket.done = True

    def _take_turn(self, tickets: list[_Ticket[Any]]) -> None:
        """Run all tickets in one transaction, from their beginning: an earlier turn has left nothing."""
        writer = self._writer
        writer.begin()
        if writer.overlooked:  # whoever made claims in it knows nothing of them
            free_leases(writer, living(writer, time.time()) - {self.owner})
        for alike in _by_work(tickets):
            self._attempt(alike)
        writer.commit()
        self.commits += 1
        self.changes = writer.changes

    def _attempt(self, tickets: list[_Ticket[Any]]) -> None:
        """Run the same work for all of these, or for each by itself where that fails."""
        writer = self._writer
        writer.begin_part()
        try:
            results = tickets[0].work(writer, [ticket.value for ticket in tickets])
            writer.end_part()
        except writer.wide_failures:
            raise
        except Exception as error:  # noqa: BLE001  the caller gets its own exception, the others go on
            writer.undo_part()
            if len(tickets) == 1:
                tickets[0].error = error
                return
            for ticket in tickets:
                self._attempt([ticket])
        else:
            for ticket, result in zip(tickets, results, strict=True):
                ticket.result, ticket.error = result, None


def _alone(work: Callable[[Connection], T], connection: Connection, _: list[Any]) -> list[T]:
    return [work(connection)]


def _by_work(tickets: list[_Ticket[Any]]) -> Iterable[list[_Ticket[Any]]]:
    """The tickets of each work, in the order in which the first of them came."""
    found: defaultdict[Callable[..., Any], list[_Ticket[Any]]] = defaultdict(list)
    for ticket in tickets:
        found[ticket.work].append(ticket)
    return found.values()
