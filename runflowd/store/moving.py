"""Moving a state to another place: all rows in one transaction, counted and hashed at both ends.

The new place is filled and marked as arriving; then the old one is marked as left, which is what counts; then the new
one forgets its mark. Whoever is killed in between leaves one place that works and one that knows that it does not.
"""

from __future__ import annotations

import uuid
from collections import deque
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from runflowd.errors import StateInUse, StoreError
from runflowd.store.moved import (
    ARRIVING,
    LEFT,
    MARKS,
    Mark,
    Moved,
    Unfinished,
    clear_mark,
    ensure_here,
    read_mark,
    write_mark,
)
from runflowd.store.opening import holding, in_transaction, is_there, look_at
from runflowd.store.tables import Counter
from runflowd.system.failpoints import reach
from runflowd.system.paths import place_named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.store.connection import Connection
    from runflowd.store.tables import TableDigest, Tables
    from runflowd.system.paths import Place


class NotEmpty(StoreError):
    """The place that a state was to be moved to holds something."""

    def __init__(self, place: Place, table: str) -> None:
        super().__init__(
            f"{place}: is a state already, with rows in {table}, and is never written over. Name a file that is not "
            "there, or a new database (createdb). Nothing was changed."
        )


class Refused(StoreError):
    """The new place does not take a row."""

    def __init__(self, place: Place, table: str, error: Exception) -> None:
        super().__init__(
            f"{place}: does not take the rows of {table} ({' '.join(str(error).split())}). The old place works on as "
            "it is; correct that row there, or report it as an error of this program. Nothing was changed."
        )


class Differs(StoreError):
    """The two places do not hold the same rows."""

    def __init__(self, place: Place, other: str, tables: list[str]) -> None:
        super().__init__(
            f"{place}: does not hold the rows of {other} ({', '.join(tables)} differ). If that one has gone on, move "
            f"it anew with `state: {other}`: `runflowd state copy --to FILE`, a new one, or a new database. "
            "Nothing was changed."
        )


class Gone(StoreError):
    """The place that the state was moved to cannot be asked."""

    def __init__(self, error: StoreError) -> None:
        super().__init__(
            f"{error} It is the one that works. Only if it is lost for good: `runflowd state reopen --lost` has this "
            "one work again, and what was bought there is bought again."
        )


def preview(source: Place, target: Place) -> dict[str, TableDigest]:
    """What `move` would copy, without doing it. Raises `StoreError` where `move` would."""
    with holding(source) as ours:
        ensure_here(ours, source, look_at)
        if is_there(target):
            with holding(target) as theirs, in_transaction(theirs, target):
                _ensure_empty(theirs, target)
        with _for_long(ours, source):
            return _digests(ours)


def move(source: Place, target: Place) -> dict[str, TableDigest]:
    """Move the state from one place to an empty one; give what was copied, by table. Nobody may work on either.

    Raises `StoreError`; the old place works then, unless the sentence says otherwise.
    """
    with holding(source) as ours, holding(target, make=True) as theirs:
        left, arriving = read_mark(ours, LEFT), read_mark(theirs, ARRIVING)
        if left is None or arriving is None or left.token != arriving.token:
            if arriving is not None:
                raise Unfinished(target, arriving.place, "still works")
            ensure_here(ours, source, look_at)
            copied = _hand_over(ours, source, theirs, target)
        else:
            with _for_long(theirs, target):
                copied = _digests(theirs)
        with in_transaction(theirs, target):
            clear_mark(theirs, ARRIVING)
    return copied


def _hand_over(ours: Connection, source: Place, theirs: Connection, target: Place) -> dict[str, TableDigest]:
    """Fill the new place, then let go of the old one; nobody writes to that in between."""
    token = uuid.uuid4().hex
    with _for_long(ours, source):
        with _for_long(theirs, target):
            _ensure_empty(theirs, target)
            copied = _fill(ours, theirs, target)
            write_mark(theirs, ARRIVING, Mark(str(source), token))
        reach("move.copied")
        write_mark(ours, LEFT, Mark(str(target), token))
    reach("move.left")
    return copied


def reopen(place: Place, *, lost: bool) -> str:
    """Have a place that was left work again, if the other one holds the same rows; give the other's name.

    With `lost` the other one is not asked. Raises `StoreError`.
    """
    with holding(place) as ours:
        mark = read_mark(ours, LEFT) or read_mark(ours, ARRIVING)
        if mark is None:
            raise StoreError(f"{place}: was not moved, and works. Nothing was changed.")
        if not lost:
            _take_back(ours, place, place_named(mark.place))
        with in_transaction(ours, place):
            for key in MARKS:
                clear_mark(ours, key)
    return mark.place


def _take_back(ours: Connection, place: Place, other: Place) -> None:
    """Have the other place let go, as `_hand_over` does, without copying anything."""
    with ExitStack() as stack:
        try:
            theirs = stack.enter_context(holding(other))
        except StateInUse:
            raise
        except StoreError as error:
            raise Gone(error) from error
        left, arriving = read_mark(theirs, LEFT), read_mark(ours, ARRIVING)
        if left is not None and arriving is not None and left.token == arriving.token:
            return  # somebody was killed on the way
        if left is not None:
            raise Moved(other, left.place)
        token = uuid.uuid4().hex
        with _for_long(ours, place):
            before = _digests(ours)
        with _for_long(theirs, other):
            _ensure_equal(place, before, str(other), _digests(theirs))
            with in_transaction(ours, place):
                clear_mark(ours, LEFT)
                write_mark(ours, ARRIVING, Mark(str(other), token))
            reach("move.copied")
            clear_mark(theirs, ARRIVING)
            write_mark(theirs, LEFT, Mark(str(place), token))
        reach("move.left")


@contextmanager
def _for_long(connection: Connection, place: Place) -> Iterator[None]:
    """One transaction, in which nobody else writes, however long it takes."""
    with in_transaction(connection, place):
        connection.tables().take_time()
        yield


def _ensure_empty(connection: Connection, place: Place) -> None:
    tables = connection.tables()
    for table, columns in tables.columns().items():
        if next(iter(tables.read(table, columns)), None) is not None:
            raise NotEmpty(place, table)


def _fill(ours: Connection, theirs: Connection, target: Place) -> dict[str, TableDigest]:
    """Copy all rows, and read again what has come of them."""
    source, written = ours.tables(), theirs.tables()
    read = {}
    for table, columns in source.columns().items():
        counter = Counter()
        try:
            written.fill(table, columns, counter.pass_on(_rows(source, table, columns)))
        except theirs.wide_failures:
            raise
        except theirs.failures as error:
            raise Refused(target, table, error) from error
        read[table] = counter.digest()
    written.finish()
    _ensure_equal(target, _digests(theirs), "the old place", read)
    reach("move.filled")
    return read


def _digests(connection: Connection) -> dict[str, TableDigest]:
    """All rows by table, without the marks of a move."""
    tables, found = connection.tables(), {}
    for table, columns in tables.columns().items():
        counter = Counter()
        deque(counter.pass_on(_rows(tables, table, columns)), maxlen=0)
        found[table] = counter.digest()
    return found


def _rows(tables: Tables, table: str, columns: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    rows = tables.read(table, columns)
    return (row for row in rows if row[columns.index("key")] not in MARKS) if table == "kv" else rows


def _ensure_equal(place: Place, found: dict[str, TableDigest], other: str, expected: dict[str, TableDigest]) -> None:
    if found != expected:
        tables = sorted(found.keys() | expected.keys())
        raise Differs(place, other, [name for name in tables if found.get(name) != expected.get(name)])
