"""The folders of a rule, read some at a time, and only while they are the ones that were recognised."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from runflowd import files
from runflowd.pipeline.intake.roots import still_recognised

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.files import FileError, Listing
    from runflowd.files.scan import Scan
    from runflowd.pipeline.intake.watched_rule import WatchedRule
    from runflowd.store.roots import Roots

PAGE = 32
"""Folders listed, and compared with the store, in one go."""

NAMES = 500
"""Files of such folders after which no further one is listed: what is compared at once fits into a cache."""


@dataclass(slots=True)
class Errors:
    """The first of the errors that folders gave, and how many there were."""

    first: FileError | None = None
    count: int = 0

    def add(self, error: FileError) -> None:
        """One more."""
        self.first, self.count = self.first or error, self.count + 1

    @property
    def others(self) -> str:
        """What is said of all but the first."""
        return f" (and {self.count - 1} more folders)" if self.count > 1 else ""


@dataclass(slots=True)
class Scanned:
    """What a scan found: the folders `read` whole, and the errors of others; `outputs` are somebody's results."""

    read: set[str] = field(default_factory=set)
    unreadable: Errors = field(default_factory=Errors)
    outputs: Errors = field(default_factory=Errors)

    def note(self, page: list[Listing]) -> None:
        """Some more folders."""
        for listing in page:
            if listing.error is None:
                self.read.add(listing.relative)
            elif isinstance(listing.error, files.OwnOutput):
                self.outputs.add(listing.error)
            elif not isinstance(listing.error, files.Missing):
                self.unreadable.add(listing.error)


def folders_of(
    watched: WatchedRule, start: str = "", *, deep: bool = True, scan: Scan | None = None
) -> Iterator[Listing]:
    """The folders of a rule, read one by one: none where the rule takes nothing, no disk that is another one."""
    scan = scan or partial(files.scan_with_identity, on_progress=watched.folder_io.note_progress)

    def enters(path: str) -> bool:
        strange = watched.roots is None or path in watched.roots.strange
        return deep and not strange and not watched.rule.matcher.prunes(path)

    return files.walk(watched.rule.watch, start, enter=enters, avoid=watched.outputs, scan=scan)


def read_page(root: str, roots: Roots | None, walking: Iterator[Listing]) -> list[Listing] | None:
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


def missing_among(root: str, roots: Roots, folders: list[str]) -> list[str] | None:
    """Those that are not there; None unless the same root stood there before and after they were looked for."""
    if not still_recognised(root, roots):
        return None
    missing = [folder for folder in folders if _is_missing(root, folder)]
    return missing if still_recognised(root, roots) else None


def is_empty(root: str) -> bool:
    listing = files.scan_directory(root)
    return listing.error is not None or not (listing.files or listing.folders)


def _is_missing(root: str, folder: str) -> bool:
    return isinstance(files.scan_directory(root, folder).error, files.Missing)
