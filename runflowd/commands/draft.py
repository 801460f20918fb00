"""A file that is replaced whole, in one step, or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Draft:
    """A file in the making beside the one it is to replace; it disappears when that does not come to pass."""

    path: Path
    descriptor: int

    @classmethod
    @contextmanager
    def beside(cls, target: Path) -> Iterator[Draft]:
        """Open one. Raises OSError where nothing can be written, before anything else has happened."""
        path = target.with_name(f".{target.name}.{os.urandom(6).hex()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, _MODE)
        try:
            yield cls(path, descriptor)
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)

    def write(self, content: bytes) -> None:
        """Write everything, durably."""
        while content:
            content = content[os.write(self.descriptor, content) :]
        os.fsync(self.descriptor)

    def replace(self, target: Path) -> None:
        """Take the place of `target` in one step, and its owner if this user may give files away."""
        with suppress(FileNotFoundError, PermissionError):
            standing = target.stat()
            os.fchown(self.descriptor, standing.st_uid, standing.st_gid)
        self.path.replace(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
