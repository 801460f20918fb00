"""The tables of a database, whole: see `runflowd/store/tables.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.rows import tuple_row

from runflowd.store.tables import ordered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runflowd.store.tables import Columns

AT_ONCE = 2_000
"""Rows that are fetched at once."""

_COLUMNS = """
SELECT table_name, column_name FROM information_schema.columns JOIN pg_tables ON tablename = table_name
WHERE table_schema = 'public' AND schemaname = 'public' AND is_generated = 'NEVER'
"""
_NUMBERED = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND is_identity = 'YES'
"""


class PostgresTables:
    """The tables of a database."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def columns(self) -> Columns:
        found: dict[str, list[str]] = {}
        for table, column in self._raw.execute(_COLUMNS):
            found.setdefault(table, []).append(column)
        return ordered(found)

    def read(self, table: str, columns: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
        with self._raw.cursor("rows", row_factory=tuple_row) as cursor:
            cursor.execute(f"SELECT {', '.join(columns)} FROM {table}")  # noqa: S608 - names of ours
            while found := cursor.fetchmany(AT_ONCE):
                yield from found

    def fill(self, table: str, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
        with (
            self._raw.cursor() as cursor,
            cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)

    def finish(self) -> None:
        for table, column in self._raw.execute(_NUMBERED).fetchall():
            sequence = f"pg_get_serial_sequence('{table}', '{column}')"
            self._raw.execute(f"SELECT setval({sequence}, max({column})) FROM {table} HAVING count(*) > 0")  # noqa: S608 - names of ours
        self._raw.execute("ANALYZE")

    def take_time(self) -> None:
        self._raw.execute("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")
