"""What a look leaves out by default is counted, so that nobody wonders where a file went.

Nothing of it gets a row of its own: there may be a hundred thousand droppings beside ten photos.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from runflowd.store.left_out import Count, left_out_folders, left_out_in_folder, save_left_out

if TYPE_CHECKING:
    from collections.abc import Container

    from runflowd.context import Context
    from runflowd.core.rules import Matcher
    from runflowd.files import Listing
    from runflowd.intake.shelf import Shelf
    from runflowd.store import Connection

FOLDERS = 500
"""Folders on record compared in one go."""


async def record_left_out(
    context: Context, shelf: Shelf, page: list[Listing], known: list[Container[str]]
) -> None:
    """Bring what is on record of a page of folders up to date. `known` are the names in each that have a row."""
    found = {
        listing.relative: _counted(shelf.matcher, listing, names)
        for listing, names in zip(page, known, strict=True)
        if listing.trouble is None
    }
    rule = shelf.rule.name

    def changed(connection: Connection) -> dict[str, dict[str, Count]]:
        before = {folder: left_out_in_folder(connection, rule, folder) for folder in found}
        return {folder: counts for folder, counts in found.items() if counts != before[folder]}

    if news := await context.store.read(changed):
        await context.store.write(partial(save_left_out, rule=rule, found=news))


async def forget_left_out(context: Context, shelf: Shelf, seen: Container[str]) -> None:
    """After a whole sweep: what is on record of folders that were not seen is of folders that are gone."""
    rule, after = shelf.rule.name, ""
    while folders := await context.store.read(partial(left_out_folders, rule=rule, after=after, limit=FOLDERS)):
        if gone := {folder: dict[str, Count]() for folder in folders if folder not in seen}:
            await context.store.write(partial(save_left_out, rule=rule, found=gone))
        after = folders[-1]


def _counted(matcher: Matcher, listing: Listing, known: Container[str]) -> dict[str, Count]:
    counts: dict[str, Count] = {}
    for name in listing.files:
        path = listing.path_of(name)
        if name not in known and not matcher.matches(path) and (line := matcher.dropping(path)):
            files, folders = counts.get(line, Count(0, 0))
            counts[line] = Count(files + 1, folders)
    for name in listing.folders:
        path = listing.path_of(name)
        if matcher.prunes(path) and (line := matcher.dropping(f"{path}/")):
            files, folders = counts.get(line, Count(0, 0))
            counts[line] = Count(files, folders + 1)

    return counts
