"""Listings of a folder that several rules watch: made once for all who ask for them at about the same time."""

from __future__ import annotations

import os
from collections import OrderedDict
from threading import Condition
from typing import TYPE_CHECKING, NamedTuple

from runflowd.files.folders import joined
from runflowd.files.scan import scan_with_identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.files.scan import Listing

MAX_FILES = 50_000
"""Files in the listings that are kept, the latest one apart: who is so far behind looks for himself."""


class _Kept(NamedTuple):
    """A listing, which folder it is of, and the how manyth it was when it was begun."""

    listing: Listing
    identity: tuple[int, int]
    begun: int


class SharedScans:
    """The latest listings of one watched folder. Its scans are called on worker threads, beside each other.

    A listing serves whoever asked before it was begun: it is as new as one of their own would have been.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._begun = 0
        self._files = 0
        self._busy: set[str] = set()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def __repr__(self) -> str:
        return f"<SharedScans, {self._begun} begun, {len(self._kept)} kept>"

    @property
    def begun(self) -> int:
        """How many listings were begun so far: what somebody notes who is about to ask."""
        return self._begun

    def since(self, begun: int) -> Callable[[str, str], tuple[Listing, tuple[int, int] | None]]:
        """A scan for `walk` that gives listings begun later than `begun`."""

        def scan(root: str, relative: str) -> tuple[Listing, tuple[int, int] | None]:
            claimed = self._claim(relative, begun)
            while isinstance(claimed, _Kept):
                if _still_there(root, relative, claimed.identity):
                    return claimed.listing, claimed.identity
                claimed = self._claim(relative, self._begun)
            return self._list(root, relative, claimed)

        return scan

    def _claim(self, relative: str, since: int) -> _Kept | int:
        """A listing begun later than `since`, waited for if need be; else the number of the one to be made now."""
        with self._changed:
            while relative in self._busy:
                self._changed.wait()
            kept = self._kept.get(relative)
            if kept is not None and kept.begun > since:
                return kept
            self._begun += 1
            self._busy.add(relative)
            return self._begun

    def _list(self, root: str, relative: str, begun: int) -> tuple[Listing, tuple[int, int] | None]:
        listing, identity = None, None
        try:
            listing, identity = scan_with_identity(root, relative)
            return listing, identity
        finally:
            with self._changed:
                self._busy.discard(relative)
                self._keep(relative, listing, identity, begun)
                self._changed.notify_all()

    def _keep(self, relative: str, listing: Listing | None, identity: tuple[int, int] | None, begun: int) -> None:
        if before := self._kept.pop(relative, None):
            self._files -= len(before.listing.files)
        if listing is None or identity is None or listing.error is not None:
            return
        self._kept[relative] = _Kept(listing, identity, begun)
        self._files += len(listing.files)
        while self._files > MAX_FILES and len(self._kept) > 1:
            self._files -= len(self._kept.popitem(last=False)[1].listing.files)


def _still_there(root: str, relative: str, identity: tuple[int, int]) -> bool:
    """Whether the folder that was listed is the one that stands there now."""
    try:
        found = os.stat(joined(root, relative))  # noqa: PTH116  one system call, no object needed
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == identity
