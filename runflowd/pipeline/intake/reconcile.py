"""One scan of folders: what lies there, against what the store knows."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from runflowd import files
from runflowd.core.lifecycle import ItemState
from runflowd.pipeline.intake.left_out import leave_out, remove_notes
from runflowd.pipeline.intake.output_places import outputs_of
from runflowd.pipeline.intake.roots import still_recognised
from runflowd.store.arrivals import forget_absent, set_aside
from runflowd.store.history import record
from runflowd.store.items import bring_back, known_in_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.core.missed_events import MissedEventDetector
    from runflowd.core.model import Stat
    from runflowd.files import Listing
    from runflowd.files.scan import Scan
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.intake.rule_state import RuleState
    from runflowd.store import Connection
    from runflowd.store.connection import Row
    from runflowd.store.items import Known
    from runflowd.store.roots import Roots

PAGE = 32
"""Folders listed, and compared with the store, in one go."""

NAMES = 50_000
"""Files of such folders after which no further one is listed: memory is for one large folder, not for many."""

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
        rule_state: RuleState,
        start: str,
        *,
        deep: bool,
        since: int = 0,
        missed_events: MissedEventDetector | None = None,
    ) -> set[str]:
        """Scan a folder, and with `deep` all beneath it; give the folders that were read whole.

        Where other rules watch the same folder, listings that were begun later than `since` are shared with them.
        With `missed_events`, events should have announced whatever is new. Another root than the one recognised
        resets the rule's state, and what was read then does not count.
        """
        seen: set[str] = set()
        if rule_state.roots is None or rule_state.roots.is_strange(start):
            return seen
        await rule_state.outputs.update(
            self._context.io.written(rule_state.rule), outputs_of(rule_state.rule, self._context.rules.values())
        )
        scan = None if rule_state.scans is None else rule_state.scans.since(since)
        walking = folders_of(rule_state, start, deep=deep, scan=scan)
        while page := await self._next_page(rule_state, walking):
            await self._compare(rule_state, page, missed_events)
            seen.update(listing.relative for listing in page if listing.error is None)
            _note_unreadable(rule_state, page)
        return seen

    async def _next_page(self, rule_state: RuleState, walking: Iterator[Listing]) -> list[Listing]:
        """The next folders, read while the root was the one that was recognised; none when it is another."""
        page = await rule_state.folder_io.read(_read_page, rule_state.rule.watch, rule_state.roots, walking)
        if page is None:
            rule_state.reset()
        return page or []

    async def _compare(
        self, rule_state: RuleState, page: list[Listing], missed_events: MissedEventDetector | None
    ) -> None:
        rule = rule_state.rule.name
        known = await self._context.store.read(
            lambda connection: [known_in_folder(connection, rule, listing.relative) for listing in page]
        )
        now = self._context.clock.now()
        back: list[int] = []
        gone: dict[str, Known] = {}
        for listing, remembered in zip(page, known, strict=True):
            for name, stat in listing.files.items():
                before = remembered.get(name)
                if before and not is_changed(before, stat):
                    back += [] if before.present else [before.id]
                elif (path := listing.path_of(name)) and rule_state.rule.matcher.matches(path):
                    if missed_events and before is None and path not in rule_state.stability:
                        missed_events.found(listing.relative)
                    rule_state.see(path, stat, now)
            if listing.error is None and (listing.files or listing.folders or listing.relative):
                gone |= {
                    listing.path_of(name): entry
                    for name, entry in remembered.items()
                    if entry.present and name not in listing.files
                }
        if gone:  # first: whoever takes a result back asks whether the file that had it is gone
            await self._forget(rule_state, gone)
        if back:
            write = partial(_mark_present, numbers=back, now=self._context.clock.wall())
            if await self._context.store.write(write):
                self._context.stage_events.deliver.notify()
        await leave_out(self._context, rule_state, page, known)

    async def _forget(self, rule_state: RuleState, gone: dict[str, Known]) -> None:
        """Files are gone: what was not bought is dropped, and with a failure the note about it."""
        now = self._context.clock.wall()

        def write(connection: Connection) -> None:
            for known in gone.values():
                forget_absent(connection, known, now)

        failed = [path for path, known in gone.items() if known.state is ItemState.FAILED]
        if failed:
            await self._context.io.written(rule_state.rule).write(remove_notes, rule_state.rule.output, failed)
        await self._context.store.write(write)

    async def forget_vanished(self, rule_state: RuleState, seen: set[str]) -> None:
        """After a whole rescan: note files whose folder is gone. An empty root proves nothing."""
        rule, after = rule_state.rule.name, b""
        if len(seen) <= 1 and await rule_state.folder_io.read(_is_empty, rule_state.rule.watch):
            return
        while rule_state.roots is not None:
            rows = await self._context.store.read(partial(_folders_below, rule=rule, after=after))
            folders = [row["dir"].decode("utf-8", "surrogateescape") for row in rows]
            unseen = [each for each in folders if each not in seen and not rule_state.roots.is_strange(each)]
            missing = await rule_state.folder_io.read(_missing_among, rule_state.rule.watch, rule_state.roots, unseen)
            if missing is None:
                rule_state.reset()
                return
            for folder in missing:
                await self._forget_folder(rule_state, folder)
            if len(rows) < FOLDERS:
                return
            after = rows[-1]["dir"]

    async def _forget_folder(self, rule_state: RuleState, folder: str) -> None:
        known = await self._context.store.read(
            lambda connection: known_in_folder(connection, rule_state.rule.name, folder)
        )
        beneath = f"{folder}/" if folder else ""
        await self._forget(rule_state, {f"{beneath}{name}": entry for name, entry in known.items() if entry.present})

    async def skip_all(self, rule_state: RuleState) -> None:
        """Record every file that matches as skipped: it was there before its rule."""
        walking = folders_of(rule_state)
        while page := await self._next_page(rule_state, walking):
            found = [(listing.path_of(name), stat) for listing in page for name, stat in listing.files.items()]
            chosen = [(path, stat) for path, stat in found if rule_state.rule.matcher.matches(path)]
            await self._context.store.write(partial(self._skip, rule_state=rule_state, chosen=chosen))

    def _skip(self, connection: Connection, rule_state: RuleState, chosen: list[tuple[str, Stat]]) -> None:
        now = self._context.clock.wall()
        for path, stat in chosen:
            set_aside(connection, rule_state.rule.name, path, stat, ItemState.SKIPPED, *LEFT_OUT, now)


def _note_unreadable(rule_state: RuleState, page: list[Listing]) -> None:
    """Keep what the rescan will tell of all folders together."""
    for listing in page:
        if isinstance(listing.error, files.OwnOutput):
            rule_state.outputs_inside[listing.relative] = listing.error
        elif listing.error is not None and not isinstance(listing.error, files.Missing):
            rule_state.unreadable = rule_state.unreadable or listing.error
            rule_state.unreadable_count += 1


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


def folders_of(
    rule_state: RuleState, start: str = "", *, deep: bool = True, scan: Scan | None = None
) -> Iterator[Listing]:
    """The folders of a rule, read one by one: none where the rule takes nothing, no disk that is another one."""
    scan = scan or partial(files.scan_with_identity, on_progress=rule_state.folder_io.note_progress)

    def enters(path: str) -> bool:
        strange = rule_state.roots is None or path in rule_state.roots.strange
        return deep and not strange and not rule_state.rule.matcher.prunes(path)

    return files.walk(rule_state.rule.watch, start, enter=enters, avoid=rule_state.outputs, scan=scan)


def _read_page(root: str, roots: Roots | None, walking: Iterator[Listing]) -> list[Listing] | None:
    """The next folders; None unless the same root stood there before and after they were read."""
    if not still_recognised(root, roots):
        return None
    page = page_of(walking)
    return page if still_recognised(root, roots) else None


def page_of(walking: Iterator[Listing]) -> list[Listing]:
    """The next folders, fewer where there are many files in them; none at the end. Blocking."""
    page: list[Listing] = []
    files = 0
    for listing in islice(walking, PAGE):
        page.append(listing)
        files += len(listing.files)
        if files >= NAMES:
            break
    return page


def _missing_among(root: str, roots: Roots, folders: list[str]) -> list[str] | None:
    """Those that are not there; None unless the same root stood there before and after they were looked for."""
    if not still_recognised(root, roots):
        return None
    missing = [folder for folder in folders if _is_missing(root, folder)]
    return missing if still_recognised(root, roots) else None


def _is_empty(root: str) -> bool:
    listing = files.scan_directory(root)
    return listing.error is not None or not (listing.files or listing.folders)


def _is_missing(root: str, folder: str) -> bool:
    return isinstance(files.scan_directory(root, folder).error, files.Missing)
