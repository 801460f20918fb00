"""Reading users' files so that the bytes hashed are the bytes sent."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.files.errors import Changed, Escapes, Missing, NotAFile, explained
from runflowd.files.folders import joined, opened_file, opened_folder, parts_of
from runflowd.files.scan import ignore_progress, stat_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from runflowd.core.model import Stat

import stat as modes

PIECE = 256 * 1024
"""Bytes read at once."""


def stat(root: str, relative: str) -> Stat | None:
    """Look at a file without following symlinks; None if no regular file is there.

    Raises FileError if that cannot be found out, as for a folder that may not be entered.
    """
    parts = parts_of("look at", root, relative)
    if not parts:
        return None
    try:
        with (
            opened_folder("look at", root, "/".join(parts[:-1])) as folder,
            explained("look at", joined(root, relative)),
        ):
            found = os.lstat(parts[-1], dir_fd=folder)
    except (Missing, Escapes):
        return None
    return stat_of(found) if modes.S_ISREG(found.st_mode) else None


def hash_file(root: str, relative: str, expected: Stat, *, on_progress: Callable[[], None] = ignore_progress) -> str:
    """SHA-256 of a file in hex, each piece reported to `on_progress`. Raises Changed unless it stays `expected`."""
    digest = hashlib.sha256()
    for piece in read_chunks(root, relative, expected):
        digest.update(piece)
        on_progress()
    return digest.hexdigest()


def read_chunks(
    root: str, relative: str, expected: Stat, *, sha256: str = "", size: int = PIECE
) -> Generator[bytes, None, None]:
    """Yield exactly `expected.size` bytes of a file in pieces of at most `size`, or raise Changed.

    The last piece is held back until the file is known to be unchanged (and to have the content
    `sha256`, if given), so a receiver that counts on Content-Length never completes a wrong upload.
    """
    path = joined(root, relative)
    with _opened_as(root, relative, expected) as descriptor, explained("read", path):
        digest = hashlib.sha256()
        held, left = b"", expected.size
        while left:
            piece = os.read(descriptor, min(size, left))
            if not piece:
                raise Changed("read", path, what="it became shorter while it was read")
            digest.update(piece)
            left -= len(piece)
            if held:
                yield held
            held = piece
        if stat_of(os.fstat(descriptor)) != expected or (sha256 and digest.hexdigest() != sha256):
            raise Changed("read", path)
        if held:
            yield held


@contextmanager
def _opened_as(root: str, relative: str, expected: Stat) -> Iterator[int]:
    """The file open for reading, if it still is `expected`; a vanished or swapped one has Changed."""
    try:
        with opened_file("read", root, relative) as descriptor:
            path = joined(root, relative)
            with explained("read", path):
                found = stat_of(os.fstat(descriptor))
            if found != expected:
                raise Changed("read", path)
            yield descriptor
    except (Missing, NotAFile) as error:
        raise Changed("read", joined(root, relative), what=error.reason) from error


@dataclass(frozen=True, slots=True)
class FileSource:
    """An open file as a `runflowd.core.media.image_type.Source`; valid inside its `with` only."""

    path: str
    size: int
    descriptor: int

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on; fewer than `length` only at the end. Raises FileError."""
        with explained("read", self.path):
            return os.pread(self.descriptor, min(length, max(0, self.size - offset)), offset)


@contextmanager
def open_source(root: str, relative: str) -> Iterator[FileSource]:
    """Open a file for `runflowd.core.media.image_type.check` and `dimensions`. Raises FileError."""
    path = joined(root, relative)
    with opened_file("read", root, relative) as descriptor:
        with explained("read", path):
            size = os.fstat(descriptor).st_size
        yield FileSource(path, size, descriptor)
