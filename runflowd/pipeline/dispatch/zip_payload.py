"""An archive per item, for models that take a zip and the names inside it instead of addresses."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from runflowd import files
from runflowd.core.incident_scope import ScopeKind
from runflowd.core.model import MAX_UPLOAD_BYTES
from runflowd.errors import RunflowdError
from runflowd.observability.incidents import IncidentReport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runflowd.core.model import Stat
    from runflowd.pipeline.dispatch.content import Read

MIME = "application/zip"

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold: equal parts give equal archives."""


class ZipError(RunflowdError):
    """An archive could not be made for want of room, or of a folder, for temporary files."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot make an archive in the folder for temporary files: {error.strerror or error}")


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One file of an archive: its name inside, and where and what it is on disk."""

    name: str
    root: str
    path: str
    stat: Stat
    sha256: str


def key_of(parts: tuple[ZipEntry, ...]) -> str:
    """What stands for the content of an archive before it is made: names and hashes of its parts."""
    listing = "\n".join(f"{part.name} {part.sha256}" for part in parts)
    return hashlib.sha256(f"zip\n{listing}".encode()).hexdigest()


def too_large(parts: tuple[ZipEntry, ...]) -> bool:
    """Whether the archive would exceed what the service takes in one upload."""
    headers = sum(200 + 2 * len(part.name.encode()) for part in parts)
    return headers + sum(part.stat.size for part in parts) > MAX_UPLOAD_BYTES


def of_packing(rule: str, error: Exception) -> IncidentReport | None:
    """The trouble of a rule whose archives cannot be made, None when the error is another."""
    if not isinstance(error, ZipError):
        return None
    remedy = "Free or mend that folder, which $TMPDIR names (/tmp by default); the rule goes on by itself then"
    return IncidentReport(ScopeKind.RULE.of(rule), "ZIP_FAILED", f"rule {rule}: {error}", remedy)


@asynccontextmanager
async def packed(parts: tuple[ZipEntry, ...], read: Read) -> AsyncIterator[IO[bytes]]:
    """The archive as an open temporary file without a name, positioned at its end; `read` makes the calls to folders.

    Raises `files.Changed` when a part is no longer what was hashed, `ZipError` when there is no room for it.
    """
    try:
        archive = await read(_pack, parts)
    except OSError as error:
        raise ZipError(error) from error
    try:
        yield archive
    finally:
        archive.close()


def _pack(parts: tuple[ZipEntry, ...]) -> IO[bytes]:
    archive = tempfile.TemporaryFile()  # noqa: SIM115  handed to the caller, who closes it
    try:
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as writing:
            for part in parts:
                entry = zipfile.ZipInfo(part.name, _EPOCH)
                with writing.open(entry, "w") as inside:
                    for piece in files.read_chunks(part.root, part.path, part.stat, sha256=part.sha256):
                        inside.write(piece)
    except BaseException:
        archive.close()
        raise
    return archive
