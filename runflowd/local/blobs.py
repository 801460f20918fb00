"""Files by the sha256 of their content: equal bytes are stored once, and no name from outside is a path."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING
from uuid import uuid4

from anyio import to_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterable
    from pathlib import Path

PIECE = 1024 * 1024
"""Bytes gathered before they are hashed and written in a worker thread; smaller files need no thread."""


class TooLong(Exception):
    """More bytes came than were announced."""


class NotOurFolder(RuntimeError):
    """A link stands where a folder of the service should be: what is in it is somebody else's."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is a link. Put a folder in its place, or use another folder for the local service.")


def private_folder(path: Path) -> None:
    """Make a folder that only its owner may enter; one that is there is closed to others. Raises NotOurFolder."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.is_symlink():
        raise NotOurFolder(path)
    path.chmod(0o700)


class Blobs:
    """A folder of finished files, each under its own hash, and one of unfinished ones."""

    def __init__(self, folder: Path) -> None:
        self._finished = folder / "blobs"
        self._incoming = folder / "incoming"
        for made in (self._finished, self._incoming):
            private_folder(made)
        for left in self._incoming.iterdir():  # what a killed process was receiving
            left.unlink(missing_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the content with this hash is, or would be."""
        return self._finished / sha256[:2] / sha256

    def read(self, sha256: str) -> bytes:
        """The content. Raises FileNotFoundError."""
        return self.path(sha256).read_bytes()

    def write(self, data: bytes) -> str:
        """Store the bytes, return their hash. Blocks."""
        sha256 = hashlib.sha256(data).hexdigest()
        if not self.path(sha256).exists():
            temporary = self._incoming / uuid4().hex
            temporary.write_bytes(data)
            self._finish(temporary, sha256)
        return sha256

    async def receive(self, stream: AsyncIterable[bytes], limit: int) -> tuple[str, int]:
        """Store a stream piece by piece, return its hash and length. Raises TooLong above `limit` bytes."""
        temporary = self._incoming / uuid4().hex
        digest, size, waiting = hashlib.sha256(), 0, bytearray()
        with temporary.open("wb", buffering=0) as file:

            def write() -> None:
                digest.update(waiting)
                file.write(waiting)
                waiting.clear()

            try:
                async for piece in stream:
                    size += len(piece)
                    if size > limit:
                        raise TooLong  # noqa: TRY301 - the clean-up below is the same for all
                    waiting += piece
                    if len(waiting) >= PIECE:
                        await to_thread.run_sync(write)
                write()
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        self._finish(temporary, digest.hexdigest())
        return digest.hexdigest(), size

    def _finish(self, temporary: Path, sha256: str) -> None:
        final = self.path(sha256)
        final.parent.mkdir(mode=0o700, exist_ok=True)
        os.replace(temporary, final)  # noqa: PTH105 - atomic, the point of it
