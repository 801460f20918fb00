"""Rows and values as the statements expect them, whichever database they come from."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.types.numeric import Int8Dumper, IntLoader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


MAX_PREPARED = 1_000
"""Statements that the server keeps a plan of for a connection: more than there are."""


class PostgresRow:
    """A row by the names of its columns or by their places."""

    __slots__ = ("_places", "_values")

    def __init__(self, places: dict[str, int], values: Sequence[Any]) -> None:
        self._places = places
        self._values = values

    def __getitem__(self, key: str | int) -> Any:
        return self._values[key if isinstance(key, int) else self._places[key]]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def keys(self) -> Iterable[str]:
        """The names of the columns."""
        return self._places.keys()

    def without_last(self) -> PostgresRow:
        """The row without its last column."""
        last = len(self._values) - 1
        return PostgresRow({name: place for name, place in self._places.items() if place < last}, self._values[:last])


class _Flag(Dumper):  # type: ignore[misc]  # mypy looks into no extra
    """Truth as SQLite keeps it: a number."""

    oid = psycopg.adapters.types["int2"].oid

    def dump(self, obj: Any) -> bytes:
        return b"1" if obj else b"0"


def adapt(raw: Any) -> None:
    """Have a connection take and give values as SQLite does, and have each statement planned once."""
    raw.prepared_max = MAX_PREPARED
    raw.adapters.register_dumper(bool, _Flag)
    raw.adapters.register_dumper(
        int, Int8Dumper
    )  # by its size it would have one of three types, each a plan of its own
    raw.adapters.register_loader("numeric", IntLoader)  # no column is one: it is a sum of integers


def by_name(cursor: Any) -> Callable[[Sequence[Any]], PostgresRow]:
    """Make the rows of an answer."""
    answer = cursor.pgresult
    names = tuple(answer.fname(place) for place in range(answer.nfields)) if answer else ()
    places = _places(names)
    return lambda values: PostgresRow(places, values)


@lru_cache(maxsize=1_000)
def _places(names: tuple[bytes | None, ...]) -> dict[str, int]:
    """The places of columns by their names; the driver's own description of them takes longer than many an answer.

    What is copied to the server has columns without names.
    """
    return {name.decode(): place for place, name in enumerate(names) if name is not None}
