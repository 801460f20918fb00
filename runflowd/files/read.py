"""Reading users' files so that the bytes hashed are the bytes sent."""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.files.errors import Changed, Escapes, Missing, NotAFile, explained, from_os_error
from runflowd.files.folders import joined, open_regular, opened_file, opened_folder, parts_of
from runflowd.files.scan import ignore_progress, stat_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from runflowd.core.model import Stat

import stat as modes

PIECE = 256 * 1024
"""Bytes read at once."""

READ_AHEAD = 4096
"""Bytes read at least, where a file is looked at here and there."""


def stat(root: str, relative: str) -> Stat | None:
    """Look at a file without following symlinks; None if no regular file is there.

    Raises FileError if that cannot be found out, as for a folder that may not be entered.
    """
    parts = parts_of("look at", root, relative)
    if not parts:
        return None
    try:
        with opened_folder("look at", root, "/".join(parts[:-1])) as folder:
            return OpenFolder(joined(root, "/".join(parts[:-1])), folder).stat(parts[-1])
    except (Missing, Escapes):
        return None


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
    if held:  # with nothing left to close, so that whoever takes it may leave the rest to the event loop
        yield held


@contextmanager
def _opened_as(root: str, relative: str, expected: Stat) -> Iterator[int]:
    """The file open for reading, if it still is `expected`; a vanished or swapped one has Changed."""
    try:
        with opened_file("read", root, relative) as (descriptor, found):
            if stat_of(found) != expected:
                raise Changed("read", joined(root, relative))
            yield descriptor
    except (Missing, NotAFile) as error:
        raise Changed("read", joined(root, relative), what=error.reason) from error


def read_span(root: str, relative: str, expected: Stat, offset: int, length: int) -> bytes:
    """At most `length` bytes of a file from `offset` on, or raise Changed unless it still is `expected`.

    The file is opened for each span, so that nothing stays open while nobody reads.
    """
    with _opened_as(root, relative, expected) as descriptor, explained("read", joined(root, relative)):
        return os.pread(descriptor, length, offset)


class FileSource:
    """An open file as a `runflowd.core.media.image_type.Source`; valid inside its `with` only.

    What was read last is kept, so that a small file is read once behind its first bytes, whoever looks at it.
    """

    def __init__(self, path: str, size: int, descriptor: int) -> None:
        self.path = path
        self.size = size
        self.descriptor = descriptor
        self._start = 0
        self._kept = b""

    def __repr__(self) -> str:
        return f"<FileSource {self.path!r}, {self.size} bytes>"

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on; fewer than `length` only at the end. Raises FileError."""
        end = min(offset + length, self.size)
        is_kept = self._start <= offset and end <= self._start + len(self._kept)
        if offset < end and not is_kept:
            whole = self.size <= PIECE and bool(self._kept)  # its first bytes are often all that anybody asks for
            self._start = 0 if whole else offset
            wanted = self.size if whole else min(max(length, READ_AHEAD), self.size - offset)
            with explained("read", self.path):
                self._kept = os.pread(self.descriptor, wanted, self._start)
        return self._kept[offset - self._start : max(end, offset) - self._start]

    def sha256(self, expected: Stat, on_progress: Callable[[], None] = ignore_progress) -> str:
        """Of all of it, in hex, each piece reported to `on_progress`. Raises Changed unless it stays `expected`."""
        digest = hashlib.sha256()
        for offset in range(0, expected.size, PIECE):
            digest.update(self.read(offset, PIECE))
            on_progress()
        with explained("read", self.path):
            found = stat_of(os.fstat(self.descriptor))
        if found != expected:
            raise Changed("read", self.path)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class OpenFolder:
    """A folder held open, for several looks at what lies in it."""

    path: str
    descriptor: int

    def stat(self, name: str) -> Stat | None:
        """A file in it, symlinks not followed; None if no regular file is there. Raises FileError."""
        try:
            found = os.lstat(name, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENAMETOOLONG}:  # of a name that is too long there is none either
                return None
            raise from_os_error(error, "look at", f"{self.path}/{name}") from error
        return stat_of(found) if modes.S_ISREG(found.st_mode) else None

    @contextmanager
    def source(self, name: str) -> Iterator[FileSource]:
        """Open a file in it for `runflowd.core.media.image_type.check` and `dimensions`. Raises FileError."""
        path = f"{self.path}/{name}"
        with explained("read", path):
            descriptor, found = open_regular("read", path, name, self.descriptor)
        try:
            yield FileSource(path, found.st_size, descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def enter(root: str, folder: str) -> Iterator[OpenFolder]:
    """Hold a folder below a root open. Raises FileError."""
    with opened_folder("read", root, folder) as descriptor:
        yield OpenFolder(joined(root, folder).rstrip("/"), descriptor)


@contextmanager
def open_source(root: str, relative: str) -> Iterator[FileSource]:
    """Open a file for `runflowd.core.media.image_type.check` and `dimensions`. Raises FileError."""
    with opened_file("read", root, relative) as (descriptor, found):
        yield FileSource(joined(root, relative), found.st_size, descriptor)
