"""A file set aside under a hidden name, which nobody else gives to another one."""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from runflowd.core.naming import marked
from runflowd.files.draft import TEMPORARY_PREFIX, is_draft
from runflowd.files.errors import FileError
from runflowd.files.folders import opened_folder, sync_folder
from runflowd.files.renaming import rename_new
from runflowd.files.scan import walk
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import Iterator


_WORD = ".aside-"
_MAX_NAME = 255
"""Bytes of a name, on every file system of Linux."""


@contextmanager
def set_aside(name: str, folder: int) -> Iterator[str]:
    """Rename a file of an open folder; gives the hidden name that it has while entered. Raises OSError.

    What has that name still at the end gets its own back, or one beside it where that is taken by now.
    """
    hidden = f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}{_WORD}".encode()
    hidden = (hidden + os.fsencode(name))[:_MAX_NAME]
    aside = os.fsdecode(hidden)
    os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=folder)
    reach("source.aside")
    try:
        yield aside
    finally:
        with suppress(FileNotFoundError):
            give_back(aside, name, folder)
        sync_folder(folder)


def left_aside(name: str, folder: int) -> str:
    """The hidden name under which a killed process left this file of an open folder; "" if there is none."""
    with os.scandir(folder) as entries:
        return next((each.name for each in entries if name_of_aside(each.name) == name), "")


def name_of_aside(hidden: str) -> str:
    """The name that a file had before it was set aside under this one; "" where it was not."""
    return hidden.partition(_WORD)[2] if hidden.startswith(TEMPORARY_PREFIX) else ""


def give_back(aside: str, name: str, folder: int) -> None:
    """Let a file have its name again, or one beside it where that is taken by now. Raises OSError."""
    try:
        rename_new(aside, name, folder, folder)
    except FileExistsError:
        rename_new(aside, marked(name, secrets.token_hex(4)), folder, folder)


def clear_up(root: str) -> int:
    """Remove the drafts below `root`, and give what was set aside its name back; return how many of both.

    A draft that somebody still writes stays, and no other name is touched.
    """
    cleared = 0
    for listing in walk(root):
        hidden = [name for name in listing.files if name.startswith(TEMPORARY_PREFIX)]
        if hidden:
            with suppress(FileError), opened_folder("clean", root, listing.relative) as folder:
                cleared += sum(_clear(name, folder) for name in hidden)
    return cleared


def _clear(name: str, folder: int) -> bool:
    with suppress(OSError):
        if own := name_of_aside(name):
            give_back(name, own, folder)
            return True
        if is_draft(name):
            _remove_abandoned(name, folder)
            return True
    return False


def _remove_abandoned(name: str, folder: int) -> None:
    """Unlink a draft; raise OSError where somebody still writes it, which its lock shows."""
    descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=folder)
    finally:
        os.close(descriptor)
