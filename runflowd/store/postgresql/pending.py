"""Statements that are sent together with the next one, in one way there and back ("Pipeline Mode" in libpq's manual).

Over a local socket a statement takes less time than its way; over a network a small part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Mapping


class Pending:
    """Statements whose answers nobody waits for, in their order."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, Mapping[str, Any] | None]] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def is_all(self, text: str) -> bool:
        """Whether this is all that waits."""
        return [each for each, _ in self._waiting] == [text]

    def begins_with(self, text: str) -> bool:
        """Whether this was not sent yet, and what waits comes after it."""
        return bool(self._waiting) and self._waiting[0][0] == text

    def add(self, text: str, values: Mapping[str, Any] | None = None) -> None:
        """Have a statement wait for the next one."""
        self._waiting.append((text, values))

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def send(self, raw: Any, text: str, values: Mapping[str, Any] | None = None) -> tuple[Any, int]:
        """Send what waits and then this one; its cursor, and the number of rows that the others changed.

        Raises what the first of them that failed was refused with; those after it were not carried out.
        """
        waiting, self._waiting = self._waiting, []
        if not waiting or not psycopg.Pipeline.is_supported():
            cursors = [raw.execute(*each) for each in waiting]
            return raw.execute(text, values), _changed(cursors)
        with raw.pipeline():
            cursors = [raw.execute(*each) for each in waiting]
            last = raw.execute(text, values)
        return last, _changed(cursors)


def _changed(cursors: list[Any]) -> int:
    return sum(max(cursor.rowcount, 0) for cursor in cursors)
