"""A connection to the store, spoken to by the names of its statements; what is stored by key.

There is one implementation a database: `sqlite.py`, and `postgresql/connection.py`. Transactions are theirs, since
what a failure means differs; statements are run the same way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runflowd.store.claims import Claim
    from runflowd.store.tables import Tables


class Row(Protocol):
    """A row of an answer, by the names of its columns or by their places."""

    def __getitem__(self, key: str | int, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...

    def keys(self) -> Iterable[str]:
        """The names of the columns."""


class Connection(ABC):
    """A connection that runs statements by name; values are always bound, never formatted in.

    `raw` is the driver's. Every failure of it is one of `failures`; those of `wide_failures` are not the fault of a
    statement, and concern all that is in the transaction.
    """

    statements: ClassVar[Mapping[str, str]]
    failures: ClassVar[tuple[type[Exception], ...]]
    wide_failures: ClassVar[tuple[type[Exception], ...]]

    overlooked = False
    """Whether a commit that was said to have failed has happened after all; until the next one that succeeds."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.held: set[Claim] | None = None
        """The claims that were found good in the part of a transaction that is open (`store/claims.py`)."""

    def run(self, name: str, /, **values: Any) -> int:
        """Run a statement; give the number of rows it changed."""
        return int(self._execute(name, values).rowcount)

    def send(self, name: str, /, **values: Any) -> None:
        """Run a statement whose count nobody asks for: it may be carried out with the next one, and fail there."""
        self._execute(name, values)

    def run_many(self, name: str, /, rows: list[dict[str, Any]]) -> None:
        """`send` for each of these sets of values, no two of which are for the same row."""
        self.raw.executemany(self.statements[name], rows)

    def run_each(self, name: str, /, rows: list[dict[str, Any]]) -> list[int]:
        """The same; give for each set the number of rows it changed."""
        return [self.run(name, **values) for values in rows]

    def all_each(self, name: str, /, rows: list[dict[str, Any]]) -> list[list[Row]]:
        """All rows of each answer to a statement that is run once for each set of values."""
        return [self.all(name, **values) for values in rows]

    def one(self, name: str, /, **values: Any) -> Row | None:
        """The first row of an answer, or None."""
        row: Row | None = self._execute(name, values).fetchone()
        return row

    def all(self, name: str, /, **values: Any) -> list[Row]:
        """All rows of an answer; the statement bounds how many there can be."""
        rows: list[Row] = self._execute(name, values).fetchall()
        return rows

    def tuples(self, name: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """The same as plain tuples, for answers of a row for each file there is."""
        return list(map(tuple, self.all(name, **values)))

    def _execute(self, name: str, values: dict[str, Any]) -> Any:
        """The driver's cursor after a statement."""
        return self.raw.execute(self.statements[name], values)

    @abstractmethod
    def tables(self) -> Tables:
        """All rows by table, for who moves them elsewhere."""

    @abstractmethod
    def begin(self) -> None:
        """Begin to write: nobody else does until the end. What a transaction that failed has left is undone first."""

    @abstractmethod
    def be_ready(self) -> None:
        """Be outside of any transaction, connected: the next statement is one by itself."""

    @abstractmethod
    def begin_reading(self) -> None:
        """Begin to read: all statements see the same commits."""

    def begin_part(self) -> None:
        """Begin a part of the transaction that can be undone by itself."""
        self.held = set()
        self._set_savepoint()

    def end_part(self) -> None:
        """The part stays, if the whole does."""
        self.held = None
        self._release_savepoint()

    def undo_part(self) -> None:
        """Nothing of the part has happened."""
        self.held = None
        self._return_to_savepoint()

    def _set_savepoint(self) -> None:
        self.raw.execute("SAVEPOINT part")

    def _release_savepoint(self) -> None:
        self.raw.execute("RELEASE part")

    def _return_to_savepoint(self) -> None:
        self.raw.execute("ROLLBACK TO part")
        self.raw.execute("RELEASE part")

    @abstractmethod
    def commit(self) -> None:
        """Make all of it durable. A failure means that none of it happened."""

    @abstractmethod
    def roll_back(self) -> None:
        """Undo a transaction, if there is one."""

    @abstractmethod
    def is_passing(self, failure: Exception) -> bool:
        """Whether the same transaction may succeed if it is run again, since another one was in its way."""

    @abstractmethod
    def explain(self, failure: Exception, verb: str) -> str:
        """What kept something from being read or written (`verb`), and what to do about it."""

    @property
    @abstractmethod
    def changes(self) -> int:
        """Rows that were written so far."""

    def close(self) -> None:
        """Let go of the database."""
        self.raw.close()


def stored_value(connection: Connection, service: str, key: str) -> str | None:
    """What is stored of a service under a key, such as the batch body it takes."""
    row = connection.one("value", service=service, key=key)
    return row["value"] if row else None
