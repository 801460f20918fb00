"""Whether another file, or another content, stands at a path than before."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    Mark = tuple[int, int, int, int, int]


def file_mark(path: str | Path) -> Mark | None:
    """What changes with a file, its content or who may read it; None where none can be looked at. Blocking."""
    try:
        now = os.stat(path)  # noqa: PTH116  a path as the configuration has it
    except OSError:
        return None
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns
