"""Which process works on a state file, asked from outside."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


MAX_BYTES = 32
"""Bytes of a lock file that are read; a process id has fewer."""


def holder(path: Path) -> int | None:
    """The process that works on a state file, None when there is none.

    The lock file names it; whether it lives is asked of /proc, since taking the lock, even for a
    moment, could turn away a daemon that is just starting.
    """
    lock = path.with_name(path.name + ".lock")
    try:
        pid = int(_beginning(lock))
        held = set(_open_files(pid))
    except PermissionError:
        return pid if lock.exists() else None  # somebody else's process: it is there, more cannot be seen
    except (OSError, ValueError):
        return None
    return pid if str(lock.resolve()) in held else None


def _beginning(lock: Path) -> bytes:
    """The first bytes of a lock file, which is a plain file: who may write the folder's mark may name any path.

    Opening a pipe would wait for its other end, and a device may have effects or no end.
    """
    descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, MAX_BYTES) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    finally:
        os.close(descriptor)


def _open_files(pid: int) -> Iterator[str]:
    """What a process has open. The handle that lists them, when it is our own, is gone when it is read."""
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            yield os.readlink(entry)  # noqa: PTH115  # text is compared
