"""What a look leaves out by default is counted, so that nobody wonders where a file went.

Nothing of it gets a row of its own: there may be a hundred thousand droppings beside ten photos.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from runflowd import files
from runflowd.core.lifecycle import ItemState
from runflowd.core.naming import failure_note
from runflowd.store.items import item_by_id
from runflowd.store.left_out import Count, left_out_folders, save_left_out

if TYPE_CHECKING:
    from collections.abc import Container

    from runflowd.core.matcher import Matcher
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.intake.compared import Compared
    from runflowd.pipeline.intake.watched_rule import WatchedRule
    from runflowd.store import Connection

UNTAKEN = frozenset({ItemState.WAITING, ItemState.FAILED})
"""States of rows that are about a file which is not taken, and may go with it."""

FOLDERS = 500
"""Folders on record compared in one go."""


async def leave_out(context: Context, watched: WatchedRule, page: list[Compared]) -> None:
    """Bring what is on record of a page of folders up to date."""
    await _drop_rows(context, watched, page)
    counted = {
        compared.listing.relative: (_counted(watched.rule.matcher, compared), compared.left_out)
        for compared in page
        if compared.listing.error is None
    }
    if changes := {folder: found for folder, (found, before) in counted.items() if found != before}:
        await context.store.write(partial(save_left_out, rule=watched.rule.name, found=changes))


async def _drop_rows(context: Context, watched: WatchedRule, page: list[Compared]) -> None:
    """The rule takes these no more: what was never sent is forgotten, and with a failure the note about it."""
    matcher = watched.rule.matcher
    left = {
        path: entry.id
        for compared in page
        for name, entry in compared.differences.record.items()
        if entry.state in UNTAKEN
        and name in compared.listing.files
        and not matcher.matches(path := compared.listing.path_of(name))
    }
    if not left:
        return

    def unsent(connection: Connection) -> list[str]:
        items = {path: item_by_id(connection, number) for path, number in left.items()}
        return [path for path, item in items.items() if item is not None and item.batch is None]

    def drop(connection: Connection, paths: list[str]) -> None:
        for path in paths:
            connection.run("delete_unbought", id=left[path])

    if paths := await context.store.read(unsent):
        await watched.folder_io.read(remove_notes, watched.rule.output, paths)
        await context.store.write(partial(drop, paths=paths))


def remove_notes(output: str, paths: list[str]) -> None:
    """Remove the notes about files at these paths, where there are any. Blocking."""
    for path in paths:
        with suppress(files.FileError):
            files.remove_note(output, failure_note(path))


async def forget_left_out(context: Context, watched: WatchedRule, seen: Container[str]) -> None:
    """After a whole rescan: what is on record of folders that were not seen is of folders that are gone."""
    rule, after = watched.rule.name, ""
    while folders := await context.store.read(partial(left_out_folders, rule=rule, after=after, limit=FOLDERS)):
        if gone := {folder: dict[str, Count]() for folder in folders if folder not in seen}:
            await context.store.write(partial(save_left_out, rule=rule, found=gone))
        after = folders[-1]


def _counted(matcher: Matcher, compared: Compared) -> dict[str, Count]:
    listing, counts = compared.listing, dict[str, Count]()
    for name in compared.differences.new:
        path = listing.path_of(name)
        if not matcher.matches(path) and (line := matcher.dropping(path)):
            files, folders = counts.get(line, Count(0, 0))
            counts[line] = Count(files + 1, folders)
    for name in listing.folders:
        path = listing.path_of(name)
        if matcher.prunes(path) and (line := matcher.dropping(f"{path}/")):
            files, folders = counts.get(line, Count(0, 0))
            counts[line] = Count(files, folders + 1)

    return counts
