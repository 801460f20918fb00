"""One scan of folders: what lies there, against what the store knows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.pipeline.intake.compared import Compared, compared_page
from runflowd.pipeline.intake.folder_pages import Scanned, folders_of, is_empty, missing_among
from runflowd.pipeline.intake.inherited import take_inodes
from runflowd.pipeline.intake.left_out import leave_out, remove_notes
from runflowd.pipeline.intake.output_places import outputs_of
from runflowd.store.arrivals import set_aside
from runflowd.store.deliveries import bring_back
from runflowd.store.departures import forget_absent
from runflowd.store.history import record
from runflowd.store.known import known_in_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.core.missed_events import MissedEventDetector
    from runflowd.core.model import Stat
    from runflowd.files import Listing
    from runflowd.files.scan import Scan
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.intake.watched_rule import WatchedRule
    from runflowd.store import Connection
    from runflowd.store.connection import Row
    from runflowd.store.known import Known

FOLDERS = 500
"""Remembered folders checked for existence in one go."""

LEFT_OUT = ("EXISTING", "it was there before its rule, which says `existing: skip`")
"""Code and reason of a file that a new rule leaves alone."""


class FolderScanner:
    """Compares folders with the store and hands what is new to the rule's tracker."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def scan(
        self,
        watched: WatchedRule,
        start: str,
        *,
        deep: bool,
        scan: Scan | None = None,
        missed_events: MissedEventDetector | None = None,
    ) -> Scanned:
        """Scan a folder, and with `deep` all beneath it.

        Where other rules watch the same folder, `scan` shares its listings with them. With `missed_events`, events
        should have announced whatever is new. Another root than the one recognised resets the rule, and what was read
        then does not count.
        """
        scanned = Scanned()
        if watched.roots is None or watched.roots.is_strange(start):
            return scanned
        await watched.outputs.update(
            self._context.io.written(watched.rule), outputs_of(watched.rule, self._context.rules.values())
        )
        walking = folders_of(watched, start, deep=deep, scan=scan)
        while page := await self._next_page(watched, walking):
            await self._take(watched, page, missed_events)
            scanned.note([compared.listing for compared in page])
        return scanned

    async def _next_page(self, watched: WatchedRule, walking: Iterator[Listing]) -> list[Compared]:
        """The next folders, read while the root was the one that was recognised; none when it is another."""
        page = await watched.folder_io.read(compared_page, self._context.store, watched, walking)
        if page is None:
            watched.reset()
        return page or []

    async def _take(
        self, watched: WatchedRule, page: list[Compared], missed_events: MissedEventDetector | None
    ) -> None:
        """Act on what differs from what is on record."""
        now = self._context.clock.now()
        if watched.inherited:
            page = await take_inodes(self._context, watched, page)
        back: list[int] = []
        gone: dict[str, Known] = {}
        for compared in page:
            self._track(watched, compared, missed_events, now)
            listing, record = compared.listing, compared.differences.record
            back += [
                before.id
                for name, before in record.items()
                if not before.present and name in listing.files and not is_changed(before, listing.files[name])
            ]
            if proves_absence(listing):
                gone |= {
                    listing.path_of(name): before
                    for name, before in record.items()
                    if before.present and name not in listing.files
                }
        if gone:  # first: whoever takes a result back asks whether the file that had it is gone
            await self._forget(watched, gone)
        if back:
            write = partial(_mark_present, numbers=back, now=self._context.clock.wall())
            if await self._context.store.write(watched.held(write)):
                self._context.stage_events.deliver.notify()
        await leave_out(self._context, watched, page)

    @staticmethod
    def _track(watched: WatchedRule, compared: Compared, missed_events: MissedEventDetector | None, now: float) -> None:
        """Hand what is new, or another than it was, to the rule's tracker."""
        listing, (record, new) = compared.listing, compared.differences
        for name, before in record.items():
            stat = listing.files.get(name)
            if stat is not None and is_changed(before, stat):
                path = listing.path_of(name)
                if watched.rule.matcher.matches(path):
                    watched.see(path, stat, now)
        for name, stat in new.items():
            path = listing.path_of(name)
            if watched.rule.matcher.matches(path):
                if missed_events and path not in watched.stability:
                    missed_events.found(listing.relative)
                watched.see(path, stat, now)

    async def _forget(self, watched: WatchedRule, gone: dict[str, Known]) -> None:
        """Files are gone: what was not bought is dropped, and with a failure the note about it."""
        now = self._context.clock.wall()

        def write(connection: Connection) -> None:
            for known in gone.values():
                forget_absent(connection, known, now)

        failed = [path for path, known in gone.items() if known.state is ItemState.FAILED]
        if failed:
            await self._context.io.written(watched.rule).write(remove_notes, watched.rule.output, failed)
        await self._context.store.write(watched.held(write))

    async def forget_vanished(self, watched: WatchedRule, seen: set[str]) -> None:
        """After a whole rescan: note files whose folder is gone. An empty root proves nothing."""
        rule, after = watched.rule.name, b""
        if len(seen) <= 1 and await watched.folder_io.read(is_empty, watched.rule.watch):
            return
        while watched.roots is not None:
            rows = await self._context.store.read(partial(_folders_below, rule=rule, after=after))
            folders = [row["dir"].decode("utf-8", "surrogateescape") for row in rows]
            unseen = [each for each in folders if each not in seen and not watched.roots.is_strange(each)]
            missing = await watched.folder_io.read(missing_among, watched.rule.watch, watched.roots, unseen)
            if missing is None:
                watched.reset()
                return
            for folder in missing:
                await self._forget_folder(watched, folder)
            if len(rows) < FOLDERS:
                return
            after = rows[-1]["dir"]

    async def _forget_folder(self, watched: WatchedRule, folder: str) -> None:
        known = await self._context.store.read(
            lambda connection: known_in_folder(connection, watched.rule.name, folder)
        )
        beneath = f"{folder}/" if folder else ""
        await self._forget(watched, {f"{beneath}{name}": entry for name, entry in known.items() if entry.present})

    async def skip_all(self, watched: WatchedRule) -> None:
        """Record every file that matches as skipped: it was there before its rule."""
        walking = folders_of(watched)
        while page := await self._next_page(watched, walking):
            listings = [compared.listing for compared in page]
            found = [(listing.path_of(name), stat) for listing in listings for name, stat in listing.files.items()]
            chosen = [(path, stat) for path, stat in found if watched.rule.matcher.matches(path)]
            await self._context.store.write(watched.held(partial(self._skip, watched=watched, chosen=chosen)))

    def _skip(self, connection: Connection, watched: WatchedRule, chosen: list[tuple[str, Stat]]) -> None:
        now = self._context.clock.wall()
        for path, stat in chosen:
            set_aside(connection, watched.rule.name, path, stat, ItemState.SKIPPED, *LEFT_OUT, now)


def proves_absence(listing: Listing) -> bool:
    """Whether a file that is not in a listing is gone: it was read to its end, and is not a root without anything."""
    return listing.error is None and bool(listing.files or listing.folders or listing.relative)


def is_changed(before: Known, stat: Stat) -> bool:
    """Whether a file is to be examined; one that waits always is."""
    return before.requested or before.stat != stat or before.state is ItemState.WAITING


def _mark_present(connection: Connection, numbers: list[int], now: float) -> bool:
    """Files are back; whether one is to have its result again."""
    for number in numbers:
        connection.run("mark_present", id=number)
        record(connection, number, now, "the file is back")
    brought = [bring_back(connection, number, now) for number in numbers]
    return any(brought)


def _folders_below(connection: Connection, rule: str, after: bytes) -> list[Row]:
    return connection.all("folders_below", rule=rule, after=after, limit=FOLDERS)
