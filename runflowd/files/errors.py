"""What can go wrong with a user's file, as one tree under `FileError`.

FileError
├── NoSpace        the disk or the quota is full
├── Forbidden      the permissions say no
│   └── ReadOnly   the file system is mounted read-only, or the systemd sandbox makes it so
├── Busy           another program holds it just now
├── Missing        there is no such file or folder
├── Changed        the file is not the one that was looked at before
├── Taken          the name is in use by something runflowd must not replace
├── TooBig         more bytes came than were allowed
├── NameTooLong    the file system does not take so long a name
├── Escapes        a symlink or a `..` leads out of the configured folder
├── NotAFile       a folder, a pipe, a socket or a device
└── Unusable       anything else: I/O error, stale network handle, ...

`NoSpace` and `Forbidden` belong to the machine or the rule, not to the item: pause and retry.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from runflowd.core.printable import printable
from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from collections.abc import Iterator


class FileError(RunflowdError):
    """A user's file or folder could not be used.

    `doing` is a verb phrase ("write"), `what` a clause, `remedy` a sentence or empty; both have a
    default per class. `code` is the errno, 0 if no system call said so.
    """

    what: ClassVar[str] = "the system refuses"
    remedy: ClassVar[str] = ""

    def __init__(self, doing: str, path: str, *, what: str = "", code: int = 0) -> None:
        self.doing = doing
        self.path = path
        self.code = code
        self.reason = what or self._what()
        self.sentence = f"cannot {doing} {printable(path)}: {self.reason}"
        """The same without what to do about it, for who says that elsewhere."""
        super().__init__(f"{self.sentence}. {self.advice}".rstrip())

    @property
    def advice(self) -> str:
        """What a person can do about it; may be empty."""
        return self.remedy

    def _what(self) -> str:
        system = os.strerror(self.code) if self.code else ""
        return f"{self.what} ({system})" if system and system.lower() != self.what else self.what


class NoSpace(FileError):
    """The disk or the quota is full. Nothing is lost: the same step can be repeated later."""

    what = "no space is left"
    remedy = "Free some space or raise the quota; runflowd tries again by itself."


class Forbidden(FileError):
    """The permissions of the file or of a folder on the way to it say no."""

    what = "permission denied"

    @property
    def advice(self) -> str:
        """Names the user, and under systemd the sandbox setting."""
        who = f"Give uid {os.geteuid()} access; `runflowd doctor` as that user names the command."
        return f"{who} {_SANDBOX.format(folder=_folder(self.path))}" if "INVOCATION_ID" in os.environ else who


class ReadOnly(Forbidden):
    """The file system is read-only, be it by its mount or by `ProtectSystem=` of the unit."""

    what = "the file system is read-only"

    @property
    def advice(self) -> str:
        """Always names the sandbox, the usual cause of a read-only disk under systemd."""
        return f"Remount it writable. {_SANDBOX.format(folder=_folder(self.path))}"


class Busy(FileError):
    """Another program holds the file just now, as a file server may for its clients: try again soon."""

    what = "another program holds it"


class Missing(FileError):
    """There is no such file or folder, or a folder on the way to it is none."""

    what = "there is no such file or folder"


class OwnOutput(FileError):
    """A folder in which results are written, met on a way through the watched one."""

    what = "results are written there: it is an output folder by another path"
    remedy = "Unmount it from the watched folder, or let results go elsewhere."


class TooDeep(FileError):
    """A folder so far below its root that nobody made it for people."""

    what = "it lies too many folders deep"
    remedy = "Move it nearer to the watched folder, or remove it; everything else goes on."


class TooMany(FileError):
    """A folder with more names than can be compared in one go."""

    what = "it holds too many files"
    remedy = "Spread them over folders of their own, by day for example; everything else goes on."


class Changed(FileError):
    """The file was changed, replaced or removed since it was looked at: look again, hash again."""

    what = "it was changed meanwhile"


class Taken(FileError):
    """The destination exists and is not ours to replace."""

    what = "something else is there already"
    remedy = "Move it away, or set `overwrite: true` in the rule."


class InTheWay(Taken):
    """A file stands where a folder is needed."""

    what = "a file stands where a folder is needed"
    remedy = "Move that file away."


class TooBig(FileError):
    """More bytes came than the caller allowed."""

    what = "it is larger than allowed"


class NameTooLong(FileError):
    """The file system does not take so long a name."""

    what = "the name is too long for the file system"
    remedy = "Shorten the file's name."


class Escapes(FileError):
    """The path would lead out of the configured folder."""

    what = "the path leads through a symlink or out of the configured folder"
    remedy = "Symlinks below a watched or output folder are not followed; put the real files there."


class NotAFile(FileError):
    """What stands at the path is no regular file."""

    what = "it is no regular file"


class Unusable(FileError):
    """Any other answer of the system, such as an I/O error or a stale network handle."""


_SANDBOX = (
    "If runflowd runs under systemd, its sandbox must allow the folder: "
    'add "ReadWritePaths={folder}" to the unit (systemctl edit runflowd), then restart it.'
)

_BY_ERRNO: dict[int, type[FileError]] = {
    errno.ENOSPC: NoSpace,
    errno.EDQUOT: NoSpace,
    errno.EACCES: Forbidden,
    errno.EPERM: Forbidden,
    errno.EROFS: ReadOnly,
    errno.EBUSY: Busy,
    errno.EAGAIN: Busy,
    errno.ETXTBSY: Busy,
    errno.ENOENT: Missing,
    errno.ENOTDIR: Missing,
    errno.EEXIST: Taken,
    errno.ENOTEMPTY: Taken,
    errno.EISDIR: Taken,
    errno.ENAMETOOLONG: NameTooLong,
    errno.ELOOP: Escapes,
    errno.EFBIG: TooBig,
}


def _folder(path: str) -> str:
    return printable(str(Path(path).parent))


def from_os_error(error: OSError, doing: str, path: str) -> FileError:
    """Given a system call's error, return the trouble that explains it."""
    return _BY_ERRNO.get(error.errno or 0, Unusable)(doing, path, code=error.errno or 0)


@contextmanager
def explained(doing: str, path: str) -> Iterator[None]:
    """Turn every OSError of the block into a `FileError` about `path`."""
    try:
        yield
    except OSError as error:
        raise from_os_error(error, doing, path) from error
