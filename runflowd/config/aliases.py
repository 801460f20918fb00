"""Folders that are one another, or lie inside one another, by a path that their names do not show: a bind mount.

Device and inode tell; a folder that is not there, or does not answer, cannot be asked and is nobody's alias.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

from runflowd.system.deadline import LOOK_TIMEOUT, NoAnswer, within
from runflowd.system.mounts import mounts_below

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Place: TypeAlias = tuple[int, int]
"""Device and inode."""


def upwards(folder: str) -> Iterator[str]:
    """A folder and all above it."""
    while True:
        yield folder
        parent = os.path.dirname(folder)  # noqa: PTH120  # text, not Path: bytes survive
        if parent == folder:
            return
        folder = parent


class Aliases:
    """Answers which of some folders hold a folder by another path than their own."""

    def __init__(self, folders: Iterable[str]) -> None:
        self._known: dict[str, Place | None] = {}
        self._at: dict[Place, dict[str, str]] = {}
        for folder in dict.fromkeys(folders):
            for name in (folder, *(f"{folder.rstrip('/')}/{below}" for below in _mounts(folder))):
                if place := self._place(name):
                    self._at.setdefault(place, {})[name] = folder

    def holding(self, folder: str) -> Iterator[tuple[str, str, bool]]:
        """Each folder that holds this one, or is it, by the way that shows it, and whether it is it."""
        for above in upwards(folder):
            place = self._place(above)
            for name, holder in self._at.get(place, {}).items() if place else ():
                if name != above:
                    yield holder, name, above == folder and name == holder

    def _place(self, folder: str) -> Place | None:
        if folder not in self._known:
            self._known[folder] = _look(folder)
        return self._known[folder]


def _mounts(folder: str) -> tuple[str, ...]:
    try:
        return within(LOOK_TIMEOUT, folder, mounts_below, folder)
    except NoAnswer:
        return ()


def _look(folder: str) -> Place | None:
    try:
        found = within(LOOK_TIMEOUT, folder, lambda: os.stat(folder))  # noqa: PTH116  # text, not Path: bytes survive
    except (OSError, ValueError, NoAnswer):
        return None
    return found.st_dev, found.st_ino
