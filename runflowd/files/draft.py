"""Files that appear at once, complete, or not at all.

A draft is a hidden temporary file in the folder where the result shall appear, since a rename is
atomic within one file system only. Content is synced before the rename and the folder after it:
"write, rename" alone may leave an empty file after a power cut.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import stat as modes
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from runflowd.files.errors import Taken, TooBig, Unusable, explained
from runflowd.files.folders import joined, opened_folder, parts_of, sync_folder
from runflowd.files.read import FileSource, OpenFolder
from runflowd.files.renaming import rename_new
from runflowd.files.scan import stat_of
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from types import TracebackType

    from runflowd.core.model import Stat

TEMPORARY_PREFIX = ".runflowd-"
"""Every temporary file begins so; hidden, ignored by all rules, and short whatever the final name."""

_SUFFIX = ".part"
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is durable under its final name. `relative` is its path below the root."""

    relative: str
    stat: Stat
    sha256: str


class Draft:
    """A file of at most `limit` bytes in `folder` below `root`. As a context manager: left uncommitted, it vanishes.

    It is made, with the folders that are missing, by what writes first: that raises FileError, Missing if the root is
    not there, Escapes if a symlink stands in the way.
    """

    def __init__(self, root: str, folder: str, *, limit: int) -> None:
        self.root = root
        self.folder = folder
        self.limit = limit
        self.size = 0
        self.pending = 0
        """Bytes that were taken and are not written yet."""
        self._digest = hashlib.sha256()
        self._taken: list[bytes] = []
        self._name = f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}{_SUFFIX}"
        self._path = joined(root, self._relative(self._name))
        self._flushed: Written | None = None
        self._folder = self._file = -1
        self._ended = False

    def __repr__(self) -> str:
        return f"<Draft in {self.folder or '.'!r}, {self.size} bytes>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    @property
    def closed(self) -> bool:
        """Whether nothing is left to clear away: it was committed, discarded, or never written to."""
        return self._folder < 0

    def take(self, data: bytes) -> None:
        """Append, in memory: it is written with what asks for it next. Raises TooBig beyond the limit."""
        if self.size + len(data) > self.limit:
            raise TooBig("write", self._path, what=f"it is larger than the allowed {self.limit} bytes")
        self._flushed = None
        self._taken.append(data)
        self.pending += len(data)
        self.size += len(data)

    def write(self, data: bytes) -> None:
        """Append. Raises TooBig beyond the limit, NoSpace and the like from the disk."""
        self.take(data)
        self.write_pending()

    def write_pending(self) -> None:
        """Write what was taken. Raises NoSpace and the like from the disk."""
        self._begin()
        with explained("write", self._path):
            data = b"".join(self._taken)
            self._forget_pending()
            self._digest.update(data)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]

    def restart(self) -> None:
        """Begin anew: what was written so far belongs to something else."""
        if not self.closed:
            with explained("write", self._path):
                os.ftruncate(self._file, 0)
                os.lseek(self._file, 0, os.SEEK_SET)
        self.size = 0
        self._forget_pending()
        self._digest = hashlib.sha256()
        self._flushed = None

    def source(self) -> FileSource:
        """What was taken so far, for checking it; valid until commit or discard."""
        self.write_pending()
        return FileSource(self._path, self.size, self._file)

    def flush(self) -> Written:
        """Make the content durable under its temporary name, and say what it will be.

        Stat and hash stay the same through the rename, so a caller can record them first and
        recognise the file as its own after a crash. `relative` is that of the temporary file.
        """
        if self._flushed is not None:
            return self._flushed
        self.write_pending()
        with explained("write", self._path):
            os.fsync(self._file)
            found = os.fstat(self._file)
        if found.st_size != self.size:
            raise Unusable("write", self._path, what=f"{self.size} bytes became {found.st_size}")
        reach("output.written")
        self._flushed = Written(self._relative(self._name), stat_of(found), self._digest.hexdigest())
        return self._flushed

    def is_free(self, name: str) -> bool:
        """Whether no regular file stands at a name in its folder. Raises FileError."""
        self._begin()
        return OpenFolder(joined(self.root, self.folder), self._folder).stat(name) is None

    def commit(self, name: str, *, replaces: Stat | None = None, overwrite: bool = False) -> Written:
        """Give the draft its final name in its folder, durably.

        An existing file is replaced only if it is exactly `replaces`, or with `overwrite`; otherwise
        Taken is raised and nothing changes. A folder or special file is never replaced.
        """
        relative = self._relative(name)
        path = joined(self.root, relative)
        if len(parts_of("write", self.root, relative)) != len(parts_of("write", self.root, self.folder)) + 1:
            raise Unusable("write", path, what="the name of a file may not contain a slash")
        written = self.flush()
        with explained("write", path):
            rename(self._name, name, self._folder, self._folder, path, replaces, overwrite=overwrite)
            self._name = ""
            reach("output.renamed")
            sync_folder(self._folder)
        self.discard()
        return Written(relative, written.stat, written.sha256)

    def discard(self) -> None:
        """Remove the draft and close it. Does nothing after a commit; never raises.

        A share may answer a close with the error of an earlier write, but what was committed is synced
        already, and the descriptor is gone in any case (close(2)): its number may be another file's by now.
        """
        name, self._name = self._name, ""
        file, folder = self._file, self._folder
        self._file = self._folder = -1
        self._ended = True
        if name and folder >= 0:
            with suppress(OSError):
                os.unlink(name, dir_fd=folder)
        for descriptor in (file, folder):
            if descriptor >= 0:
                with suppress(OSError):
                    os.close(descriptor)

    def _begin(self) -> None:
        """Make the file, with the folders that are missing, unless it is there."""
        assert not self._ended, "a draft is written once"
        if self._file >= 0:
            return
        with opened_folder("write into", self.root, self.folder, make=True) as descriptor:
            with explained("write into", joined(self.root, self.folder)):
                self._folder = os.dup(descriptor)
            with explained("write", self._path):
                self._file = os.open(self._name, _CREATE, 0o666, dir_fd=self._folder)
        # Held while the draft lives, so that another daemon leaves it alone when it clears up.
        with suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _forget_pending(self) -> None:
        self._taken, self.pending = [], 0

    def _relative(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name


def rename(
    old: str, new: str, old_folder: int, new_folder: int, path: str, replaces: Stat | None, *, overwrite: bool
) -> None:
    """Rename between open folders to what is `path`, as `Draft.commit` does. Raises OSError, and Taken."""
    if replaces is not None or overwrite:
        standing = look_at(new, new_folder)
        if standing is not None:
            if not standing.regular or (not overwrite and standing.stat != replaces):
                raise Taken("write", path)
            os.rename(old, new, src_dir_fd=old_folder, dst_dir_fd=new_folder)
            return
    rename_new(old, new, old_folder, new_folder)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a file is to stand; `replaces` and `overwrite` are those of `Draft.commit`."""

    root: str
    relative: str
    replaces: Stat | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class ExistingFile:
    """What already stands at a name."""

    stat: Stat
    regular: bool


def look_at(name: str, folder: int) -> ExistingFile | None:
    """What stands at `name` in an open folder, symlinks not followed; None if nothing."""
    try:
        found = os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return None
    return ExistingFile(stat_of(found), regular=modes.S_ISREG(found.st_mode))


def is_draft(name: str) -> bool:
    """Whether a file's name is that of a draft, or of one that a crash left."""
    return name.startswith(TEMPORARY_PREFIX) and name.endswith(_SUFFIX)
