"""One line per kind of event and minute, with a count: a flood of equal events must not flood the log."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Kind = TypeVar("Kind", bound=Hashable)

WINDOW = 60.0
"""Seconds for which a kind of event that was logged is only counted."""


class RateCounter(Generic[Kind]):
    """Decides what is logged; `now` is monotonic seconds. A kind that was quiet for a whole window is forgotten."""

    def __init__(self) -> None:
        self._kept: dict[Kind, int] = {}
        self._logged_at: dict[Kind, float] = {}

    def note(self, kind: Kind, now: float) -> int:
        """Count an event; the number of events to log now, this one included, or 0 to log nothing."""
        if now - self._logged_at.get(kind, now - WINDOW) < WINDOW:
            self._kept[kind] = self._kept.get(kind, 0) + 1
            return 0
        self._logged_at[kind] = now
        return self._kept.pop(kind, 0) + 1

    def overdue(self, now: float) -> dict[Kind, int]:
        """Events that were kept back for a whole window, by kind; each is given once."""
        over = [kind for kind, logged_at in self._logged_at.items() if now - logged_at >= WINDOW]
        due = {kind: self._kept.pop(kind) for kind in over if kind in self._kept}
        for kind in over:
            if kind in due:
                self._logged_at[kind] = now
            else:
                del self._logged_at[kind]
        return due
