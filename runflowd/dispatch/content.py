"""What can be brought to the service: a file as it was hashed, or an archive of such files."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import anyio.to_thread

from runflowd import files
from runflowd.core.recipe import FileFacts
from runflowd.dispatch.bundle import MIME, Part, key_of, packed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from runflowd.core.model import Reference, Stat
    from runflowd.store.items import Item

PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes ready to be sent, as often as needed."""

    size: int
    chunks: Callable[[], AsyncIterator[bytes]]


class Content(Protocol):
    """Something the service is to hold once: `key` names its bytes, `name` is for people."""

    @property
    def key(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def mime(self) -> str: ...

    def opened(self) -> AbstractAsyncContextManager[Body]:
        """Make the bytes ready. Raises `FileTrouble`, `Changed` above all."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """One file, which must still be what was hashed."""

    root: str
    path: str
    stat: Stat
    key: str
    mime: str

    @property
    def name(self) -> str:
        return FileFacts(self.path).value("file.name")[:500]

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Body]:
        yield Body(self.stat.size, self._chunks)

    async def _chunks(self) -> AsyncIterator[bytes]:
        reading = files.read_chunks(self.root, self.path, self.stat, sha256=self.key)
        left = self.stat.size
        try:
            while left and (chunk := await anyio.to_thread.run_sync(next, reading, b"")):
                left -= len(chunk)
                yield chunk
        finally:
            reading.close()


@dataclass(frozen=True, slots=True)
class Bundle:
    """An archive, packed only when the service does not hold it yet."""

    parts: tuple[Part, ...]
    mime: str = MIME
    name: str = "bundle.zip"

    @property
    def key(self) -> str:
        return key_of(self.parts)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Body]:
        async with packed(self.parts) as archive:
            size = archive.tell()

            async def chunks() -> AsyncIterator[bytes]:
                archive.seek(0)
                while piece := await anyio.to_thread.run_sync(archive.read, PIECE):
                    yield piece

            yield Body(size, chunks)


def of_item(root: str, item: Item) -> FileContent:
    """The dropped file itself."""
    return FileContent(root, item.path, item.stat, item.content or "", item.mime)


def of_reference(reference: Reference) -> FileContent:
    """A file named in the rule."""
    folder, _, name = reference.path.rpartition("/")
    return FileContent(folder or "/", name, reference.stat, reference.content, reference.mime)


def part_of(name: str, content: FileContent) -> Part:
    """A file as a part of an archive."""
    return Part(name, content.root, content.path, content.stat, content.key)
