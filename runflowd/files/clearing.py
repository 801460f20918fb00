"""What a killed process left in a folder: half-written drafts, and files that it had set aside."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from runflowd.files.aside import give_back, name_of_aside
from runflowd.files.draft import TEMPORARY_PREFIX, is_draft
from runflowd.files.errors import FileError
from runflowd.files.folders import opened_folder
from runflowd.files.scan import walk


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
