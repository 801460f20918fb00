"""One line per kind of event and minute, with a count: a flood of forged callbacks must not flood the log."""

from __future__ import annotations

WINDOW = 60.0
"""Seconds for which a kind of event that was told is only counted."""


class Tally:
    """Decides what is told; `now` is monotonic seconds. Kinds are a handful of words of ours."""

    def __init__(self) -> None:
        self._kept: dict[str, int] = {}
        self._told_at: dict[str, float] = {}

    def note(self, kind: str, now: float) -> int:
        """Count an event; the number of events to tell now, this one included, or 0 to say nothing."""
        if now - self._told_at.get(kind, now - WINDOW) < WINDOW:
            self._kept[kind] = self._kept.get(kind, 0) + 1
            return 0
        self._told_at[kind] = now
        return self._kept.pop(kind, 0) + 1

    def overdue(self, now: float) -> dict[str, int]:
        """Events that were kept back for a whole window, by kind; each is given once."""
        due = [kind for kind in self._kept if now - self._told_at[kind] >= WINDOW]
        for kind in due:
            self._told_at[kind] = now
        return {kind: self._kept.pop(kind) for kind in due}
