"""Folders by descriptor: opening, making and syncing them without following a symlink."""

from __future__ import annotations

import errno
import os
import stat as modes
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from runflowd.core.units import size_text
from runflowd.files.errors import Escapes, InTheWay, Missing, NoSpace, NotAFile, explained

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPEN_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_BELOW = _OPEN_ROOT | os.O_NOFOLLOW
# O_NONBLOCK: a pipe swapped in for a file must not hang the thread; no effect on regular files.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def root_identity(path: str) -> tuple[int, int] | None:
    """Device and inode of a root folder; None while it is missing, unreadable or no folder.

    A different answer than before means that the root was replaced, unmounted or mounted over.
    """
    with suppress(OSError, ValueError):
        found = os.stat(path)  # noqa: PTH116  one system call; the root itself may be a symlink
        if modes.S_ISDIR(found.st_mode):
            return found.st_dev, found.st_ino
    return None


def free_space(path: str) -> int:
    """Bytes that an ordinary user may still write at `path`, or at its nearest existing parent."""
    while True:
        try:
            found = os.statvfs(path)
        except FileNotFoundError:
            path = str(Path(path).parent)
        except OSError as error:
            with explained("read the free space of", path):
                raise error from None
        else:
            return found.f_bavail * found.f_frsize


def require_space(path: str, floor: int) -> None:
    """Raise NoSpace when fewer than `floor` bytes may still be written at `path`."""
    if free_space(path) < floor:
        what = f"less than {size_text(floor)} is left on its disk (limits.free_space)"
        raise NoSpace("write into", path, what=what)


def ensure_root(path: str) -> None:
    """Make a configured folder and its parents if missing. Raises FileError.

    Only for configuration time: later a missing root is an unmounted disk, and making the folder
    would fill the disk below it.
    """
    with explained("make the folder", path):
        try:
            os.makedirs(path, exist_ok=True)  # noqa: PTH103  str in, no Path needed
        except FileExistsError:
            raise InTheWay("make", path) from None


def joined(root: str, relative: str) -> str:
    """The absolute path for messages."""
    return f"{root.rstrip('/')}/{relative}" if relative else root


def parts_of(doing: str, root: str, relative: str) -> list[str]:
    """The components of a relative path; Escapes if it is no plain path below the root."""
    parts = relative.split("/") if relative else []
    if any(part in {"", ".", ".."} or "\0" in part for part in parts):
        raise Escapes(doing, joined(root, relative), what="the path is not a plain path below its folder")
    return parts


@contextmanager
def opened_folder(doing: str, root: str, relative: str, *, make: bool = False) -> Iterator[int]:
    """A descriptor of the folder `relative` below `root`; with `make` missing ones are made, the root never."""
    parts = parts_of(doing, root, relative)
    with explained(doing, root):
        descriptor = os.open(root, _OPEN_ROOT)
    try:
        for depth, part in enumerate(parts, 1):
            here = joined(root, "/".join(parts[:depth]))
            below = _step_into(doing, here, part, descriptor, make=make)
            above, descriptor = descriptor, below
            os.close(above)
        yield descriptor
    finally:
        os.close(descriptor)


def _step_into(doing: str, path: str, name: str, parent: int, *, make: bool) -> int:
    with explained(doing, path):
        try:
            return os.open(name, _OPEN_BELOW, dir_fd=parent)
        except NotADirectoryError:
            raise _not_a_folder(doing, path, name, parent, make=make) from None
        except FileNotFoundError:
            if not make:
                raise
        with suppress(FileExistsError):  # another thread made it
            os.mkdir(name, dir_fd=parent)
            sync_folder(parent)
        return os.open(name, _OPEN_BELOW, dir_fd=parent)


def _not_a_folder(doing: str, path: str, name: str, parent: int, *, make: bool) -> Exception:
    """Linux answers ENOTDIR for a file and for a symlink alike; tell which."""
    if modes.S_ISLNK(os.lstat(name, dir_fd=parent).st_mode):
        return Escapes(doing, path)
    if make:
        return InTheWay(doing, path)
    return Missing(doing, path, what="it is a file, not a folder")


@contextmanager
def opened_file(doing: str, root: str, relative: str) -> Iterator[tuple[int, os.stat_result]]:
    """A regular file open for reading, and what it is. Raises FileError, Escapes for symlinks."""
    parts = parts_of(doing, root, relative)
    if not parts:
        raise NotAFile(doing, root)
    path = joined(root, relative)
    with opened_folder(doing, root, "/".join(parts[:-1])) as folder, explained(doing, path):
        descriptor, found = open_regular(doing, path, parts[-1], folder)
    try:
        yield descriptor, found
    finally:
        os.close(descriptor)


def open_regular(doing: str, path: str, name: str, folder: int) -> tuple[int, os.stat_result]:
    """Open a regular file in an open folder. Raises Escapes and NotAFile, and the system's own errors."""
    # Opening a device can have effects, so the type is asked for first and once more afterwards.
    if not modes.S_ISREG(kind := os.lstat(name, dir_fd=folder).st_mode):
        raise Escapes(doing, path) if modes.S_ISLNK(kind) else NotAFile(doing, path)
    descriptor = os.open(name, _OPEN_FILE, dir_fd=folder)
    try:
        found = os.fstat(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    if not modes.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise NotAFile(doing, path)
    return descriptor, found


def sync_folder(descriptor: int) -> None:
    """Make renames and new names in a folder durable, where the file system can."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and FUSE file systems cannot sync a folder and say so in one of these ways.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS}:
            raise
