"""The list of files, in pages, oldest first: a page costs what it holds, not what there is.

Each question goes to the index that serves it: a batch, the rows below a folder if they are few, a rule or a
state, else the rows in their order. What is left of the question is asked of the rows that were found.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from heapq import merge
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from runflowd.core.lifecycle import ItemState
from runflowd.core.name_search import has_name, name_pattern
from runflowd.store.items import Item, item_from, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.store.connection import Connection, Row

SPAN = 250_000
"""Ids gone through for one page where a pattern matches few: whoever serves pages has others to serve."""

FEW = 2_000
"""Rows that are read at once to be held against a pattern."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of the items that `browsing.Sought` has are meant; None and () leave a question open.

    They are of a rule, in one of some states, of a batch, and have a path that matches (`fnmatch`), with `name` as part
    of their name, without regard to the case of letters.
    """

    rule: str | None = None
    states: tuple[str, ...] = ()
    batch: str | None = None
    pattern: str | None = None
    name: str = ""
    to_review: bool | None = None
    """Whether only done ones are meant whose result waits for a verdict, or none of those."""

    def fits(self, row: Row) -> bool:
        """Whether a row is meant."""
        return (
            self.rule in {None, row["rule"]}
            and (not self.states or row["state"] in self.states)
            and self.batch in {None, row["batch"]}
            and self.to_review in {None, row["state"] == "done" and row["review"] == "waiting"}
            and self.fits_path(path_of(row))
        )

    def fits_path(self, path: str) -> bool:
        """Whether a file is meant by its path below the watched folder."""
        return (self.pattern is None or fnmatchcase(path, self.pattern)) and has_name(path, self.name)

    @property
    def literal(self) -> bytes:
        """The longest piece of the pattern that each path it matches contains."""
        pieces = re.split(r"[*?]", (self.pattern or "").partition("[")[0])
        return os.fsencode(max(pieces, key=len))

    @property
    def folder(self) -> bytes:
        """The folder in or below which each path lies that the pattern matches; empty for any."""
        return os.fsencode(re.split(r"[*?[]", self.pattern or "")[0].rpartition("/")[0])


class Page(NamedTuple):
    """Some items, and the id after which the next page begins; None at the end."""

    items: list[Item]
    next: int | None


def page(connection: Connection, wanted: Wanted, after: int, limit: int) -> Page:
    """The first `limit` items with an id above `after`; perhaps fewer, with a next page that has more."""
    many = FEW if wanted.pattern or wanted.to_review is not None else 0
    rows, looked_at = _candidates(connection, wanted, after, max(limit + 1, many))
    chosen = [row for row in rows if wanted.fits(row)]
    if len(chosen) > limit:
        return Page([item_from(row) for row in chosen[:limit]], chosen[limit - 1]["id"])
    return Page([item_from(row) for row in chosen], looked_at)


def every(connection: Connection, wanted: Wanted) -> Iterator[Item]:
    """All items that are meant, read in pages, so that the list may be long."""
    after: int | None = 0
    while after is not None:
        items, after = page(connection, wanted, after, 500)
        yield from items


def _candidates(connection: Connection, wanted: Wanted, after: int, limit: int) -> tuple[list[Row], int | None]:
    """Rows among which are those that are meant, by id; and up to which id was looked, None for all there are."""
    if wanted.batch is not None:
        return connection.all("list_of_batch", batch=wanted.batch, after=after), None
    below = _few_below(connection, wanted, after) if wanted.folder else None
    if below is not None:
        return below, None
    until = after + SPAN
    values = {
        "after": after,
        "until": until,
        "literal": wanted.literal,
        "name": name_pattern(wanted.name),
        "limit": limit,
    }
    if wanted.to_review:
        names = [wanted.rule] if wanted.rule is not None else rules_with_items(connection)
        found = [connection.all("to_review_of_rule", rule=name, after=after, limit=limit) for name in names]
        rows = list(merge(*found, key=lambda row: row["id"]))[:limit]
        return rows, rows[-1]["id"] if len(rows) == limit else None
    if wanted.rule is None and not wanted.states:
        rows = connection.all("list_items", **values)
    else:
        rules = [wanted.rule] if wanted.rule is not None else rules_with_items(connection)
        states = wanted.states or tuple(ItemState)
        kinds = [
            connection.all("list_of_state", rule=rule, state=state, **values) for rule, state in product(rules, states)
        ]
        rows = list(merge(*kinds, key=lambda row: row["id"]))[:limit]
    if len(rows) == limit:
        return rows, rows[-1]["id"]
    newest = connection.one("newest_item")
    return rows, until if newest is not None and until < newest["id"] else None


def _few_below(connection: Connection, wanted: Wanted, after: int) -> list[Row] | None:
    """The rows in and below the folder of a pattern, None when they are many."""
    # A slash is followed by 0: between a folder and itself with that behind it lies all that is below it.
    values = {"first": wanted.folder, "end": wanted.folder + b"0", "after": after, "limit": FEW + 1}
    rows: list[Row] = []
    for rule in [wanted.rule] if wanted.rule is not None else rules_with_items(connection):
        rows += connection.all("list_below", rule=rule, **values)
        if len(rows) > FEW:
            return None
    return sorted(rows, key=lambda row: row["id"])


def rules_with_items(connection: Connection) -> list[str]:
    """The rules of which files are on record, also those that are configured no more."""
    return [row["rule"] for row in connection.all("rules_with_items")]
