"""A unix socket by its path, however long: sun_path holds 107 bytes and a name of any folder more (unix(7))."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_LENGTH = 107


@contextmanager
def sun_path(path: Path) -> Iterator[str]:
    """The path of a socket in few enough bytes, while entered. Raises OSError when its folder is not there."""
    text = str(path)
    if len(os.fsencode(text)) <= MAX_LENGTH:
        yield text
        return
    descriptor = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)
