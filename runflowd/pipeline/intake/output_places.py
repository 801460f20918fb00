"""Where results go, by device and inode: a scan that meets such a folder met it by another path, and leaves it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from runflowd import files
from runflowd.core.chains import downstream
from runflowd.core.model import AfterKind

if TYPE_CHECKING:
    from collections.abc import Collection

    from runflowd.core.model import Rule
    from runflowd.pipeline.io_guard import FolderIo

OUTPUT_INSIDE = "OUTPUT_INSIDE"

WAIT = 2.0
"""Seconds that a rescan waits to learn where an output folder is; one that hangs holds up its deliveries alone."""


def outputs_of(rule: Rule, rules: Collection[Rule]) -> frozenset[str]:
    """The folders that nothing may be taken from for a rule: what it, or whoever works on its results, writes."""
    archive = {rule.after.folder} if rule.after.kind is AfterKind.MOVE else set()
    return frozenset({each.output for each in downstream(rule, rules)} | archive)


class OutputPlaces:
    """Device and inode of the folders that one rule must not take anything from, as last seen."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int]] = {}
        self._refreshing = False

    async def update(self, folder: FolderIo, folders: frozenset[str], *, anew: bool = False) -> None:
        """Look up those that were not there so far, or `anew` all, unless the last look-up has not ended yet."""
        if self._refreshing or not (anew or folders - self._seen.keys()):
            return
        with anyio.move_on_after(WAIT):
            await folder.read(self.refresh, folders)

    def refresh(self, folders: frozenset[str]) -> None:
        """Look all of them up. Blocking; not for two threads at once."""
        self._refreshing = True
        try:
            found = {folder: files.root_identity(folder) for folder in folders}
        finally:
            self._refreshing = False
        self._seen = {folder: place for folder, place in found.items() if place is not None}

    def __contains__(self, place: object) -> bool:
        return place in self._seen.values()
