"""What lies in a folder: the facts that every hint leads to."""

from __future__ import annotations

import os
import stat as modes
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runflowd.core.model import Stat
from runflowd.files.errors import FileError, OwnOutput, TooDeep, TooMany, explained, from_os_error
from runflowd.files.folders import joined, opened_folder, root_identity
from runflowd.files.identity import MARK_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    Scan = Callable[[str, str], tuple["Listing", tuple[int, int] | None]]

MAX_DEPTH = 100
"""Folders below a root: each path is opened from the root on, so that thousands of them cost time and memory."""

MAX_NAMES = 250_000
"""Names in one folder, which are compared all at once: about 100 MB."""


def ignore_progress() -> None:
    """Nobody waits for a sign of life."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that is not offered as a file; `reason` is a clause for people."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """One folder as it was when looked at.

    `relative` is the folder's path below the root, "" for the root. `error` is set when the folder
    could not be read to its end: then a missing name proves nothing, and no file may be taken for
    deleted.
    """

    relative: str
    files: dict[str, Stat] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    error: FileError | None = None

    def path_of(self, name: str) -> str:
        """The path of an entry relative to the root."""
        return f"{self.relative}/{name}" if self.relative else name


def stat_of(found: os.stat_result) -> Stat:
    """The facts that runflowd keeps of a file."""
    return Stat(size=found.st_size, mtime_ns=found.st_mtime_ns, inode=found.st_ino)


def scan_directory(root: str, relative: str = "") -> Listing:
    """List one folder. An unreadable or missing folder is a listing with `error`, not an exception."""
    return _scan(root, relative, ignore_progress)[0]


def scan_with_identity(
    root: str, relative: str, *, on_progress: Callable[[], None] = ignore_progress
) -> tuple[Listing, tuple[int, int] | None]:
    """The same, and the device and inode of the folder, or None. Each name is reported to `on_progress`."""
    return _scan(root, relative, on_progress)


def walk(
    root: str,
    start: str = "",
    *,
    enter: Callable[[str], bool] | None = None,
    avoid: Container[tuple[int, int]] = (),
    scan: Scan = scan_with_identity,
) -> Iterator[Listing]:
    """List `start` and all folders beneath it, one listing each, parents first.

    `enter` gets a folder's relative path and says whether to go in. Bind mounts that lead back to a
    folder already seen are not entered twice; one whose device and inode are among those to `avoid` is a
    listing with the trouble OwnOutput. Memory is bounded by the folders still to visit.
    """
    inside = next((above for above in _above(start) if root_identity(joined(root, above)) in avoid), None)
    if inside is not None:
        yield Listing(inside, error=OwnOutput("look into", joined(root, inside)))
        return
    pending = [start]
    seen: set[tuple[int, int]] = set()
    while pending:
        listing, identity = scan(root, pending.pop())
        if identity is not None and identity in seen:
            continue
        if identity is not None:
            seen.add(identity)
        if identity in avoid:
            yield Listing(listing.relative, error=OwnOutput("look into", joined(root, listing.relative)))
            continue
        yield listing
        below = (listing.path_of(name) for name in reversed(listing.folders))
        pending += [path for path in below if enter is None or enter(path)]


def _above(relative: str) -> Iterator[str]:
    """Every folder on the way to another, the root first."""
    parts = relative.split("/") if relative else []
    yield from ("/".join(parts[:depth]) for depth in range(len(parts)))


def _scan(root: str, relative: str, on_progress: Callable[[], None]) -> tuple[Listing, tuple[int, int] | None]:
    files: dict[str, Stat] = {}
    folders: list[str] = []
    skipped: list[Skipped] = []
    error: FileError | None = None
    identity: tuple[int, int] | None = None
    path = joined(root, relative)
    try:
        if relative.count("/") >= MAX_DEPTH:
            raise TooDeep("look into", path)
        with opened_folder("list", root, relative) as folder, explained("list", path):
            found = os.fstat(folder)
            identity = found.st_dev, found.st_ino
            _sort_entries(folder, path, root, files, folders, skipped, on_progress)
    except FileError as found_error:
        error = found_error
    return Listing(relative, files, tuple(sorted(folders)), tuple(skipped), error), identity


def _sort_entries(
    folder: int,
    path: str,
    root: str,
    files: dict[str, Stat],
    folders: list[str],
    skipped: list[Skipped],
    on_progress: Callable[[], None],
) -> None:
    # For every file that there is: `stat_of`, and Stat(...) itself, would take a tenth more of a whole rescan.
    with os.scandir(folder) as entries:
        for count, entry in enumerate(entries):
            on_progress()
            name = entry.name
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                skipped.append(Skipped(name, from_os_error(error, "look at", name).reason))
                continue
            if count >= MAX_NAMES:
                files.clear()
                raise TooMany("list", path, what=f"it holds more than {MAX_NAMES:,} files and folders")
            mode = found.st_mode
            if modes.S_ISREG(mode):
                files[name] = tuple.__new__(Stat, (found.st_size, found.st_mtime_ns, found.st_ino))
            elif modes.S_ISDIR(mode):
                folders.append(name)
            else:
                skipped.append(Skipped(name, _why_skipped(mode, joined(path, name), root)))
    files.pop(MARK_FILE, None)  # ours: a folder that holds nothing else is empty


def _why_skipped(mode: int, path: str, root: str) -> str:
    if not modes.S_ISLNK(mode):
        return f"it is {_KINDS.get(modes.S_IFMT(mode), 'no regular file')}"
    inside = os.path.realpath(root)
    if os.path.realpath(path).startswith(f"{inside.rstrip('/')}/"):
        return "it is a symlink; what it points to is seen under its own name"
    return "it is a symlink that leads out of the folder"


_KINDS = {
    modes.S_IFIFO: "a pipe",
    modes.S_IFSOCK: "a socket",
    modes.S_IFCHR: "a device",
    modes.S_IFBLK: "a device",
}
