"""All rows of a store, table by table: read, counted, hashed, and written to another one."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping

PARENTS = ("snapshot", "batch", "recipe", "asset_kind", "account", "item")
"""Tables that others refer to, each after those that it refers to itself."""

OF_THE_PLACE = frozenset({"host", "schema_version"})
"""Tables that say who works at a place, and how it is made: they do not move."""

Columns = dict[str, tuple[str, ...]]
"""The names of the columns that are stored, in their order, by table; parents come first."""


class Tables(Protocol):
    """What is done with whole tables, within a transaction that somebody else begins and ends."""

    def columns(self) -> Columns:
        """Every table, and the columns of it that are stored."""

    def read(self, table: str, columns: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
        """All rows of a table, a few at a time."""

    def fill(self, table: str, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
        """Write rows into a table that is empty."""

    def finish(self) -> None:
        """What follows once all tables are filled: new rows get numbers above those that are there."""

    def take_time(self) -> None:
        """Let what remains of the transaction take as long as it takes."""


@dataclass(frozen=True, slots=True)
class TableDigest:
    """How many rows there are, and a hash of them that is the same in whatever order they come, and in each database.

    It is the sum of the SHA-256 of each row, modulo 2**256, in hexadecimal digits.
    """

    rows: int
    hash: str


class Counter:
    """Counts and hashes rows that pass."""

    def __init__(self) -> None:
        self._rows = 0
        self._sum = 0

    def pass_on(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """The same rows, counted."""
        for row in rows:
            self._rows += 1
            self._sum += int.from_bytes(sha256(_canonical(row)).digest())
            yield row

    def digest(self) -> TableDigest:
        """What has passed so far."""
        return TableDigest(self._rows, f"{self._sum % 2**256:064x}")


def _canonical(row: tuple[Any, ...]) -> bytes:
    """A row as bytes that are equal where the values are; SQLite keeps no zero that is negative."""
    return repr(tuple(value + 0.0 if isinstance(value, float) else value for value in row)).encode()


def ordered(columns: Mapping[str, Iterable[str]]) -> Columns:
    """Tables with parents first, and columns by their names: two databases may have made them in another order."""
    names = [*PARENTS, *sorted(columns.keys() - {*PARENTS, *OF_THE_PLACE})]
    return {name: tuple(sorted(columns[name])) for name in names}


class SqliteTables:
    """The tables of a state file."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    def columns(self) -> Columns:
        named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*'"
        found = {
            table: [row["name"] for row in self._raw.execute(f"PRAGMA table_xinfo({table})") if row["hidden"] == 0]
            for (table,) in self._raw.execute(named).fetchall()
        }
        return ordered(found)

    def read(self, table: str, columns: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
        cursor = self._raw.cursor()
        cursor.row_factory = None
        return cursor.execute(f"SELECT {', '.join(columns)} FROM {table}")  # noqa: S608 - names of ours

    def fill(self, table: str, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
        places = ", ".join("?" * len(columns))
        self._raw.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", rows)  # noqa: S608 - names of ours

    def finish(self) -> None:
        """Nothing: a new row gets the number above the highest."""

    def take_time(self) -> None:
        """Nothing: a transaction takes as long as it takes."""
