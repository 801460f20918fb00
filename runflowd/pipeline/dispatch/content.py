"""What can be brought to the service: a file as it was hashed, or an archive of such files."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import anyio.to_thread

from runflowd import files
from runflowd.core.media.input_type import fitting_name
from runflowd.core.media.text_type import text_of
from runflowd.core.template import file_facts
from runflowd.pipeline.dispatch.zip_payload import MIME, ZipEntry, key_of, packed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator
    from contextlib import AbstractAsyncContextManager

    from runflowd.core.model import Reference, Stat
    from runflowd.store.items import Item

T = TypeVar("T")

PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes ready to be sent, as often as needed."""

    size: int
    chunks: Callable[[], AsyncIterator[bytes]]


class Read(Protocol):
    """Runs a blocking call where it holds up nobody else."""

    async def __call__(self, call: Callable[..., T], *given: object) -> T: ...


class Content(Protocol):
    """Something the service is to hold once: `key` names its bytes, `root` where they lie, `name` is for people."""

    @property
    def root(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def mime(self) -> str: ...

    def check(self) -> None:
        """Ask the disk for what is to be read; that it answers is what counts. Blocking. Raises `FileError`."""

    def opened(self, read: Read) -> AbstractAsyncContextManager[Body]:
        """Make the bytes ready; `read` makes the calls to users' folders. Raises `FileError`, `Changed` above all."""


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
        return fitting_name(file_facts(self.path)["name"][:490], self.mime)

    def check(self) -> None:
        files.stat(self.root, self.path)

    def require_unchanged(self) -> None:
        """Raise `files.Changed` where it is no longer what was hashed. Blocking."""
        if files.stat(self.root, self.path) != self.stat:
            raise files.Changed("read", f"{self.root}/{self.path}")

    def text(self) -> str:
        """The words in it. Blocking. Raises `FileError`, and what `text_of` raises where it holds none."""
        return text_of(b"".join(files.read_chunks(self.root, self.path, self.stat, sha256=self.key)))

    @asynccontextmanager
    async def opened(self, read: Read) -> AsyncIterator[Body]:
        yield Body(self.stat.size, partial(self._chunks, read))

    async def _chunks(self, read: Read) -> AsyncIterator[bytes]:
        reading = _Reading(files.read_chunks(self.root, self.path, self.stat, sha256=self.key))
        left = self.stat.size
        try:
            while left and (chunk := await read(reading.next)):
                left -= len(chunk)
                yield chunk
        finally:
            reading.close()


class _Reading:
    """Pieces of a file, read on whatever thread; one that is left in the middle of a read ends with that."""

    def __init__(self, pieces: Generator[bytes, None, None]) -> None:
        self._pieces = pieces
        self._lock = threading.Lock()
        self._closed = False

    def next(self) -> bytes:
        """The next piece, b"" at the end. Blocking."""
        with self._lock:
            piece = next(self._pieces, b"")
            if self._closed:
                self._pieces.close()
            return piece

    def close(self) -> None:
        """Read no more; whoever reads now closes the file."""
        self._closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._pieces.close()
            finally:
                self._lock.release()


@dataclass(frozen=True, slots=True)
class ZipPayload:
    """An archive, packed only when the service does not hold it yet."""

    parts: tuple[ZipEntry, ...]
    mime: str = MIME
    name: str = "bundle.zip"

    @property
    def root(self) -> str:
        return self.parts[0].root

    @property
    def key(self) -> str:
        return key_of(self.parts)

    def check(self) -> None:
        for part in self.parts:
            files.stat(part.root, part.path)

    @asynccontextmanager
    async def opened(self, read: Read) -> AsyncIterator[Body]:
        async with packed(self.parts, read) as archive:
            size = archive.tell()

            async def chunks() -> AsyncIterator[bytes]:
                archive.seek(0)
                while piece := await anyio.to_thread.run_sync(archive.read, PIECE):
                    yield piece

            yield Body(size, chunks)


def item_content(root: str, item: Item) -> FileContent:
    """The dropped file itself."""
    return FileContent(root, item.path, item.stat, item.content_hash or "", item.mime)


def reference_content(reference: Reference) -> FileContent:
    """A file named in the rule."""
    folder, _, name = reference.path.rpartition("/")
    return FileContent(folder or "/", name, reference.stat, reference.content, reference.mime)


def zip_entry(name: str, content: FileContent) -> ZipEntry:
    """A file as a part of an archive."""
    return ZipEntry(name, content.root, content.path, content.stat, content.key)
