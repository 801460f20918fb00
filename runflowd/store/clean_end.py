"""Whether a state file stands as a process left it that ended in order: then it need not be read whole at a start.

What damages the structure of a file that nobody writes is a failing disk, and that comes to light where it is read;
what damages one that is written are crashes, lost writes and other programs. After any of those the mark is missing, or
does not fit.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 200
"""Bytes of a lock file that are read for a mark."""


def read_mark(descriptor: int) -> str:
    """What the last process that had the lock has left in it."""
    return os.pread(descriptor, MAX_BYTES, 0).decode("ascii", "replace")


def leave_mark(descriptor: int, path: Path) -> None:
    """Say in the lock file how the state file stands, now that it is closed. To be called by who has the lock."""
    if mark := mark_of(path):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, mark.encode(), 0)


def mark_of(path: Path) -> str:
    """How a state file stands; "" while there is none, or a log beside it that is not part of it yet."""
    try:
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:
            return ""
        found = path.stat()
    except OSError:
        return ""
    return f"closed {found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns}\n"
