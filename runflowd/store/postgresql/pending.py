"""Statements that are sent together with the next one, in one way there and back ("Pipeline Mode" in libpq's manual).

Over a local socket a statement takes less time than its way; over a network a small part of it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Values = Mapping[str, Any]


class Pending:
    """Statements whose answers nobody waits for, in their order, each for one set of values or several."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, list[Values]]] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def is_all(self, text: str) -> bool:
        """Whether this is all that waits."""
        return [each for each, _ in self._waiting] == [text]

    def begins_with(self, text: str) -> bool:
        """Whether this was not sent yet, and what waits comes after it."""
        return bool(self._waiting) and self._waiting[0][0] == text

    def add(self, text: str, rows: Sequence[Values] = ({},)) -> None:
        """Have a statement wait for the next one."""
        if self._waiting and self._waiting[-1][0] == text:
            self._waiting[-1][1].extend(rows)
        else:
            self._waiting.append((text, list(rows)))

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def send(self, raw: Any, text: str, values: Values | None = None) -> tuple[Any, int]:
        """Send what waits and then this one; its cursor, and the number of rows that the others changed.

        Raises what the first of them that failed was refused with; those after it were not carried out.
        """
        if not self._waiting:
            return raw.execute(text, values, prepare=True), 0
        with _one_way(raw):
            others = self._begin(raw)
            cursor = raw.execute(text, values, prepare=True)
        return cursor, _changed(others)

    def send_each(self, raw: Any, text: str, rows: Sequence[Values]) -> tuple[Any, int]:
        """The same for several sets of values, of which there is one at least: the cursor has an answer for each."""
        with _one_way(raw):
            others = self._begin(raw)
            cursor = raw.cursor()
            cursor.executemany(text, rows, returning=True)
        return cursor, _changed(others)

    def _begin(self, raw: Any) -> list[Any]:
        """The cursors of what waited."""
        waiting, self._waiting = self._waiting, []
        return [_run(raw, text, rows) for text, rows in waiting]


def _one_way(raw: Any) -> AbstractContextManager[object]:
    """Have statements sent without waiting for their answers, where the driver can."""
    return raw.pipeline() if psycopg.Pipeline.is_supported() else nullcontext()


def _run(raw: Any, text: str, rows: list[Values]) -> Any:
    if len(rows) == 1:
        return raw.execute(text, rows[0] or None, prepare=True)
    cursor = raw.cursor()
    cursor.executemany(text, rows)
    return cursor


def _changed(cursors: list[Any]) -> int:
    return sum(max(cursor.rowcount, 0) for cursor in cursors)
