"""Who a watched folder is: a mark in an extended attribute (xattr(7)), else in a hidden file.

All is asked of one open descriptor, so that an answer is about one folder whatever is mounted meanwhile.
"""

from __future__ import annotations

import os
import re
import stat as modes
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path

from runflowd.core.identity import Identity
from runflowd.files.errors import FileError, explained
from runflowd.files.folders import joined, opened_folder

MARK_FILE = ".runflowd-folder"
"""Where the file system keeps no attributes. Scans ignore it like all that begins so."""

_NAME = "user.runflowd.folder"
_MARK = re.compile(r"[0-9a-f]{32}")


def identify(root: str, relative: str = "") -> Identity:
    """Who the folder `relative` below `root` is. Raises FileError when it cannot be opened."""
    with opened_folder("look at", root, relative) as folder, explained("look at", joined(root, relative)):
        found = os.fstat(folder)
        return Identity(_mark_of(folder), found.st_dev, found.st_ino, _boot())


def mark_folder(root: str, relative: str = "", *, anew: bool = False) -> str:
    """Mark a folder that has no mark, or with `anew` any; give its mark, "" where none can be written."""
    mark = uuid.uuid4().hex
    try:
        with opened_folder("mark", root, relative) as folder:
            if anew:
                with suppress(OSError):
                    os.unlink(MARK_FILE, dir_fd=folder)
            _write(folder, mark, 0 if anew else os.XATTR_CREATE)
            return _mark_of(folder)
    except FileError:
        return ""


def _write(folder: int, mark: str, flags: int) -> None:
    try:
        os.setxattr(folder, _NAME, mark.encode(), flags)
    except FileExistsError:
        return  # somebody was quicker
    except OSError:
        with suppress(OSError):
            descriptor = os.open(
                MARK_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder
            )
            try:
                os.write(descriptor, mark.encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _mark_of(folder: int) -> str:
    with suppress(OSError):
        return _checked(os.getxattr(folder, _NAME))
    with suppress(OSError):
        descriptor = os.open(
            MARK_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=folder
        )
        try:
            if modes.S_ISREG(os.fstat(descriptor).st_mode):
                return _checked(os.read(descriptor, 64))
        finally:
            os.close(descriptor)
    return ""


def _checked(data: bytes) -> str:
    """The mark that was read; anybody who may write there can have written anything."""
    text = data.decode("ascii", "replace").strip()
    return text if _MARK.fullmatch(text) else ""


@cache
def _boot() -> str:
    """Which boot this is (random(4)). Where that is hidden, device and inode count during this process alone."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return uuid.uuid4().hex
