"""One look at folders: what lies there, against what the store knows."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import anyio.to_thread
import structlog

from runflowd import files
from runflowd.core.lifecycle import ItemState
from runflowd.store.items import forget_absent, known_in_folder, set_aside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.context import Context
    from runflowd.core.model import Stat
    from runflowd.files import Listing
    from runflowd.intake.shelf import Shelf
    from runflowd.store import Connection
    from runflowd.store.connection import Row
    from runflowd.store.items import Known

log = structlog.get_logger()

PAGE = 32
"""Folders listed, and compared with the store, in one go."""


FOLDERS = 500
"""Remembered folders checked for existence in one go."""


class Looking:
    """Compares folders with the store and hands what is new to the rule's tracker."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def tree(self, shelf: Shelf, start: str, *, deep: bool) -> set[str]:
        """Look at a folder, and with `deep` at all beneath it; give the folders that were read whole."""
        walking = files.walk(shelf.rule.watch, start, enter=lambda path: deep and not shelf.matcher.prunes(path))
        seen: set[str] = set()
        while page := await anyio.to_thread.run_sync(_next_page, walking):
            await self._compare(shelf, page)
            seen.update(listing.relative for listing in page if listing.trouble is None)
            await self._tell_trouble(shelf, page)
        return seen

    async def _compare(self, shelf: Shelf, page: list[Listing]) -> None:
        rule = shelf.rule.name
        known = await self._context.store.read(
            lambda connection: [known_in_folder(connection, rule, listing.relative) for listing in page]
        )
        now = self._context.clock.now()
        back: list[int] = []
        gone: list[Known] = []
        for listing, remembered in zip(page, known, strict=True):
            for name, stat in listing.files.items():
                before = remembered.get(name)
                if before and before.stat == stat and before.state is not ItemState.WAITING:
                    back += [] if before.present else [before.id]
                elif (path := listing.path_of(name)) and shelf.matcher.matches(path):
                    shelf.overflowed |= not shelf.settling.see(path, stat, now)
            if listing.trouble is None and (listing.files or listing.folders or listing.relative):
                gone += [entry for name, entry in remembered.items() if entry.present and name not in listing.files]
        if back or gone:
            await self._context.store.write(lambda connection: self._note(connection, back, gone))

    def _note(self, connection: Connection, back: list[int], gone: list[Known]) -> None:
        now = self._context.clock.wall()
        for number in back:
            connection.run("mark_present", id=number)
        for known in gone:
            forget_absent(connection, known, now)

    async def vanished(self, shelf: Shelf, seen: set[str]) -> None:
        """After a whole sweep: note files whose folder is gone. An empty root proves nothing."""
        rule, after = shelf.rule.name, b""
        if len(seen) <= 1 and await anyio.to_thread.run_sync(_is_empty, shelf.rule.watch):
            return
        while True:
            rows = await self._context.store.read(partial(_folders_below, rule=rule, after=after))
            for row in rows:
                folder = row["folder"].decode("utf-8", "surrogateescape")
                if folder not in seen and await anyio.to_thread.run_sync(_is_missing, shelf.rule.watch, folder):
                    await self._forget_folder(rule, folder)
            if len(rows) < FOLDERS:
                return
            after = rows[-1]["folder"]

    async def _forget_folder(self, rule: str, folder: str) -> None:
        now = self._context.clock.wall()

        def write(connection: Connection) -> None:
            for known in known_in_folder(connection, rule, folder).values():
                if known.present:
                    forget_absent(connection, known, now)

        await self._context.store.write(write)

    async def skip_all(self, shelf: Shelf) -> None:
        """Record every file that matches as skipped: it was there before its rule."""
        walking = files.walk(shelf.rule.watch, enter=lambda path: not shelf.matcher.prunes(path))
        while page := await anyio.to_thread.run_sync(_next_page, walking):
            found = [(listing.path_of(name), stat) for listing in page for name, stat in listing.files.items()]
            chosen = [(path, stat) for path, stat in found if shelf.matcher.matches(path)]
            await self._context.store.write(partial(self._skip, shelf=shelf, chosen=chosen))

    def _skip(self, connection: Connection, shelf: Shelf, chosen: list[tuple[str, Stat]]) -> None:
        now, reason = self._context.clock.wall(), "it was there before its rule, which says `existing: skip`"
        for path, stat in chosen:
            set_aside(connection, shelf.rule.name, path, stat, ItemState.SKIPPED, "EXISTING", reason, now)

    async def _tell_trouble(self, shelf: Shelf, page: list[Listing]) -> None:
        for listing in page:
            if listing.trouble is not None and not isinstance(listing.trouble, files.Missing):
                log.warning(str(listing.trouble), action="folder.unreadable", rule=shelf.rule.name)
                shelf.unreadable = shelf.unreadable or listing.trouble


def _folders_below(connection: Connection, rule: str, after: bytes) -> list[Row]:
    return connection.all("folders_below", rule=rule, after=after, limit=FOLDERS)


def _next_page(walking: Iterator[Listing]) -> list[Listing]:
    return list(islice(walking, PAGE))


def _is_empty(root: str) -> bool:
    listing = files.scan_directory(root)
    return listing.trouble is not None or not (listing.files or listing.folders)


def _is_missing(root: str, folder: str) -> bool:
    return isinstance(files.scan_directory(root, folder).trouble, files.Missing)
