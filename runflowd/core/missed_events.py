"""Which files did no event announce? Those that a rescan found first, and for whose folder no event came afterwards.

An event may be a little late, so the verdict waits for a timeout; a file's own times are not
looked at, since copiers set them as they like.
"""

from __future__ import annotations

EVENT_TIMEOUT = 30.0
"""Seconds after a rescan for which an event may be late, as behind a burst of others."""

SETTLES = 3
"""The same in settle times, where that is longer."""


class MissedEventDetector:
    """The files of one rule that rescans found first, counted by folder. Times are monotonic seconds."""

    def __init__(self, settle: float) -> None:
        self._timeout = max(EVENT_TIMEOUT, SETTLES * settle)
        self._found: dict[str, int] = {}
        self._waiting: list[tuple[float, dict[str, int]]] = []
        self._excused = False

    def __repr__(self) -> str:
        return f"<MissedEventDetector of {len(self._waiting)} rescans, due {self.due}>"

    @property
    def due(self) -> float | None:
        """When the next folders expire; None while there is not."""
        return next((due for due, folders in self._waiting if folders), None)

    def found(self, folder: str) -> None:
        """The rescan found a file that nobody knew."""
        self._found[folder] = self._found.get(folder, 0) + 1

    def excuse(self) -> None:
        """Hints were thrown away: whatever this rescan or an earlier one found, an event may have announced it."""
        self._found, self._waiting, self._excused = {}, [], True

    def rescanned(self, now: float) -> None:
        """The rescan is over; what it found expires when every event that is on its way has come."""
        if self._excused:
            self._found, self._excused = {}, False
        if self._found:
            self._waiting.append((now + self._timeout, self._found))
            self._found = {}

    def clear(self, folder: str, *, deep: bool) -> None:
        """An event led to a folder, and with `deep` to all beneath: what lies there was not missed."""
        beneath = f"{folder}/" if folder else ""
        for folders in (self._found, *(waiting for _, waiting in self._waiting)):
            folders.pop(folder, None)
            for each in [name for name in folders if deep and name.startswith(beneath)]:
                del folders[each]

    def expire(self, now: float) -> int:
        """How many files no event announced before their timeout. They are given once."""
        due = [folders for due, folders in self._waiting if due <= now]
        del self._waiting[: len(due)]
        return sum(sum(folders.values()) for folders in due)
