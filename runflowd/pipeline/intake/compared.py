"""A page of folders, read and held against the store in one go on the thread that reads them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from runflowd.pipeline.intake.folder_pages import read_page
from runflowd.store.known import Differences, differences
from runflowd.store.left_out import Count, left_out_in_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.files import Listing
    from runflowd.pipeline.intake.watched_rule import WatchedRule
    from runflowd.store import Connection, Store


@dataclass(frozen=True, slots=True)
class Compared:
    """A folder as it was when looked at, how that differs from what is on record, and what is on record of it as left
    out by default, by pattern.
    """

    listing: Listing
    differences: Differences
    left_out: dict[str, Count]


def compared_page(store: Store, watched: WatchedRule, walking: Iterator[Listing]) -> list[Compared] | None:
    """The next folders; None unless the root that was recognised stood there before and after they were read. Blocking.

    The store is asked when the folder has answered: one that hangs keeps nobody else from it.
    """
    page = read_page(watched.rule.watch, watched.roots, walking)
    return None if page is None else store.read_here(partial(_compared, rule=watched.rule.name, page=page))


def _compared(connection: Connection, rule: str, page: list[Listing]) -> list[Compared]:
    return [
        Compared(
            listing,
            differences(connection, rule, listing.relative, listing.files),
            left_out_in_folder(connection, rule, listing.relative),
        )
        for listing in page
    ]
