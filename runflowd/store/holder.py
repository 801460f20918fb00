"""Which process works on a state file, asked from outside."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def holder(path: Path) -> int | None:
    """The process that works on a state file, None when there is none.

    The lock file names it; whether it lives is asked of /proc, since taking the lock, even for a
    moment, could turn away a daemon that is just starting.
    """
    lock = path.with_name(path.name + ".lock")
    try:
        pid = int(lock.read_text("ascii"))
        held = set(_open_files(pid))
    except PermissionError:
        return pid if lock.exists() else None  # somebody else's process: it is there, more cannot be seen
    except (OSError, ValueError):
        return None
    return pid if str(lock.resolve()) in held else None


def _open_files(pid: int) -> Iterator[str]:
    """What a process has open. The handle that lists them, when it is our own, is gone when it is read."""
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            yield os.readlink(entry)  # noqa: PTH115  # text is compared
