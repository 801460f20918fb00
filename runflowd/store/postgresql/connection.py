"""One connection to a PostgreSQL database, taken up again when it was lost.

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
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus

from runflowd.store.connection import Connection
from runflowd.store.postgresql.connecting import connect
from runflowd.store.postgresql.dialect import translated
from runflowd.store.postgresql.errors import remedy_for
from runflowd.store.postgresql.listening import Hints
from runflowd.store.postgresql.locks import Lock
from runflowd.store.postgresql.many import Many, for_many, types_of
from runflowd.store.postgresql.pending import Pending
from runflowd.store.postgresql.schema import require_own
from runflowd.store.postgresql.tables import PostgresTables
from runflowd.store.postgresql.turns import take_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.core.database import Database
    from runflowd.store.connection import Row

RESOLVE_TIMEOUT = 10.0
"""Seconds for which the outcome of a commit whose answer was lost is asked for."""

_BEGIN_PART = "SAVEPOINT part"

_CHANGE = re.compile(r"(UPDATE|INSERT|DELETE)\b")


class PostgresConnection(Connection):
    """A connection to a database, in the name of a session; its `lock` keeps others away."""

    statements = translated()
    failures = (psycopg.Error,)
    wide_failures = (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        psycopg.InternalError,  # a transaction that takes no changes, or data that is damaged
        errors.InsufficientPrivilege,
        errors.UndefinedTable,
    )

    _many: ClassVar[dict[str, Many | None]] = {}
    """Statements for many sets of values, as far as they were asked for."""

    def __init__(self, database: Database, session: str = "", *, lock: Lock = Lock.NONE) -> None:
        self._database = database
        self._name = f"runflowd on {socket.gethostname()[:24]}, process {os.getpid()}, {session[:12]}"
        self._lock = lock
        self._hints = Hints(session) if lock is Lock.SHARED else None
        self._was_open = False
        self._changed = 0
        self._transaction = ""
        self._unresolved = ""
        self._changes = 0
        self._pending = Pending()
        super().__init__(self._opened())

    def _opened(self) -> Any:
        raw = connect(self._database, self._name, self._lock)
        if self._was_open and self._lock is not Lock.NONE:
            try:
                require_own(raw)
            except self.failures:
                raw.close()
                raise
        self._was_open = True
        return raw

    def _execute(self, name: str, values: dict[str, Any]) -> Any:
        cursor, others = self._pending.send(self.raw, self.statements[name], values)
        return self._counted(name, cursor, others)

    def _counted(self, name: str, answer: Any, others: int = 0) -> Any:
        own = max(answer.rowcount, 0) if _CHANGE.match(self.statements[name]) else 0
        self._changes += own + others
        return answer

    def send(self, name: str, /, **values: Any) -> None:
        self._pending.add(self.statements[name], [values])

    def run_many(self, name: str, /, rows: list[dict[str, Any]]) -> None:
        if (many := self._for_many(name, rows)) is not None:
            self._pending.add(many.text, [many.values(rows)])
        elif rows:
            self._pending.add(self.statements[name], rows)

    def run_each(self, name: str, /, rows: list[dict[str, Any]]) -> list[int]:
        if (found := self._by_set(name, rows)) is not None:
            return [len(places) for places in found]
        return [answer.rowcount for answer in self._answers(name, rows)]

    def all_each(self, name: str, /, rows: list[dict[str, Any]]) -> list[list[Row]]:
        if (found := self._by_set(name, rows)) is not None:
            return found
        return [answer.fetchall() for answer in self._answers(name, rows)]

    def _by_set(self, name: str, rows: list[dict[str, Any]]) -> list[list[Row]] | None:
        """The rows of one answer by the set of values that each is for; None where there is no such answer."""
        many = self._for_many(name, rows)
        if many is None or many.of is None:
            return None
        cursor, others = self._pending.send(self.raw, many.text, many.values(rows))
        return many.of(self._counted(name, cursor, others).fetchall(), len(rows))

    def _for_many(self, name: str, rows: list[dict[str, Any]]) -> Many | None:
        """The statement for all of several sets of values; None for fewer, or where there is none."""
        if len(rows) <= 1:
            return None
        if name not in self._many:
            text = self.statements[name]
            self._many[name] = for_many(text, types_of(self.raw, text))
        return self._many[name]

    def _answers(self, name: str, rows: list[dict[str, Any]]) -> Iterator[Any]:
        """The driver's cursor at the answer for each set of values, all of which are sent at once."""
        if not rows:
            return
        cursor, others = self._pending.send_each(self.raw, self.statements[name], rows)
        self._changes += others
        for answer in cursor.results():
            yield self._counted(name, answer)

    def tables(self) -> PostgresTables:
        self._carry_out()
        return PostgresTables(self.raw)

    def begin(self) -> None:
        self.be_ready()
        self._transaction = take_turn(self.raw)
        if self._unresolved:  # it has ended, since it had the turn before
            self.overlooked = self.overlooked or self._outcome_of(self._unresolved) != "aborted"
            self._unresolved = ""

    def be_ready(self) -> None:
        self._pending.clear()
        if self.raw.closed:
            self.raw = self._opened()
        self.roll_back()

    def begin_reading(self) -> None:
        self.be_ready()
        self._pending.add("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def _set_savepoint(self) -> None:
        self._pending.add(_BEGIN_PART)

    def _release_savepoint(self) -> None:
        if self._pending.is_all(_BEGIN_PART):
            self._pending.clear()
        else:
            self._carry_out("RELEASE part")

    def _return_to_savepoint(self) -> None:
        nothing_sent = self._pending.begins_with(_BEGIN_PART)
        self._pending.clear()
        if not nothing_sent:
            self.raw.execute("ROLLBACK TO part; RELEASE part")

    def _carry_out(self, text: str = "") -> None:
        """Have done what waits, and then this."""
        if self._pending:
            _, others = self._pending.send(self.raw, text or "SELECT 1")
            self._changes += others
        elif text:
            self.raw.execute(text)

    def commit(self) -> None:
        self._carry_out()
        try:
            if self._hints and self._changes > self._changed:
                self._hints.send(self.raw)
            done = self.raw.execute("COMMIT").statusmessage
        except self.wide_failures:
            if not self._was_committed():
                raise
        else:
            if done != "COMMIT":
                raise psycopg.OperationalError("the server took the transaction back")
        self.overlooked = False
        self._changed = self._changes

    def _was_committed(self) -> bool:
        """What became of a commit whose answer was lost: the server knows, once it can be asked again.

        If that takes too long it is asked when the next transaction begins.
        """
        self._unresolved = self._transaction
        deadline = time.monotonic() + RESOLVE_TIMEOUT
        while time.monotonic() < deadline:
            with suppress(*self.wide_failures):
                self.raw.close()
                self.raw = self._opened()
                outcome = self._outcome_of(self._transaction)
                if outcome != "in progress":
                    self._unresolved = ""
                    return outcome == "committed"
            time.sleep(0.2)
        return False

    def _outcome_of(self, transaction: str) -> str:
        """What the server says of a transaction of ours; "" where it was too long ago."""
        row = self.raw.execute("SELECT pg_xact_status(CAST(%s AS xid8))", [transaction]).fetchone()
        return row[0] or ""

    def roll_back(self) -> None:
        self._pending.clear()
        if not self.raw.closed and self.raw.info.transaction_status != TransactionStatus.IDLE:
            self.raw.execute("ROLLBACK")

    def is_passing(self, failure: Exception) -> bool:
        return isinstance(failure, errors.SerializationFailure | errors.DeadlockDetected)

    def explain(self, failure: Exception, verb: str) -> str:
        said = " ".join(str(failure).split())
        return f"could not be {verb} ({said}). {remedy_for(said)}"

    @property
    def changes(self) -> int:
        return self._changes

    def close(self) -> None:
        with suppress(*self.failures):
            self.roll_back()
            if self._lock is not Lock.NONE and not self.raw.closed:
                self.raw.execute("SELECT pg_advisory_unlock_all()")  # at once, not when the server notices the end
        self.raw.close()
