"""What every walker through a medium reads from, and its verdicts."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 256 * 1024
"""Bytes read in one go."""

BLOCK = 4096
"""Bytes that file systems reserve at once, at offsets that are multiples of it."""

_ZEROS = bytes(BLOCK)

MOST_PARTS = 100_000
"""Segments, chunks or boxes in one image, beyond which it is damaged."""


Extent: TypeAlias = tuple[int, int]
"""Where an image's data begin in a file, and where what the image needs ends."""


class End(Enum):
    """What the bytes of a medium that is no image say of where it ends."""

    MARKED = auto()
    """The last byte that it needs is there."""
    OPEN = auto()
    """A part of such a file is such a file, too."""
    STREAMED = auto()
    """The same of what is written piece by piece over a long time, or says that it should be longer."""


class Source(Protocol):
    """Random access to bytes."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on; fewer than `length` only at the end."""


class CutShortError(Exception):
    """The bytes end before the medium does."""


class UnwrittenError(CutShortError):
    """They turn into space that nobody has written yet. Decoders pass over zeros, so none is asked."""


class MiscountedError(CutShortError):
    """They end before the medium says that its pixels do, and it may be wrong about that: a decoder knows."""


class DamagedError(Exception):
    """Bytes that break the rules of their format. They may be odd in a way that decoders pass over."""


class CameraRawError(DamagedError):
    """Sensor data, of which decoders open a thumbnail only."""


def take(source: Source, offset: int, length: int, label: str = "image") -> bytes:
    """Exactly `length` bytes from `offset`, or CutShortError."""
    data = source.read(offset, length) if offset < source.size else b""
    if len(data) < length:
        raise CutShortError(f"the file ends after {source.size} bytes, before the {label} does")
    return data


def refuse_zero_tail(source: Source, label: str, end: int) -> None:
    """For containers without an end marker: zeros at the end of compressed data are reserved space.

    An eighth of the file is asked for, because a flat image in lossy WebP honestly ends in zeros: in
    tries 5 to 6 % of the file. Uncompressed formats cannot be recognised this way, black pixels are zeros.
    `end` is where what the image needs ends; bytes behind that are nobody's.
    """
    length = min(max(end // 8, 4096), end - 64, PIECE)
    if length > 0 and not any(source.read(end - length, length)):
        raise UnwrittenError(f"the {label} ends in {length} or more zeros, it may still be being written")


def has_hole(source: Source, start: int, end: int) -> bool:
    """Whether a whole block of zeros lies where the image's data should be: space that nobody has written yet.

    Who writes out of order, such as a segmented downloader, leaves such holes; so does, honestly, a large flat area.
    """
    first = -(-start // BLOCK) * BLOCK
    for offset in range(first, end - BLOCK + 1, PIECE):
        piece = source.read(offset, min(PIECE, end - offset))
        if any(piece.startswith(_ZEROS, at) for at in _zero_runs(piece)):
            return True
    return False


def _zero_runs(piece: bytes) -> Iterator[int]:
    """Where in a piece a block begins that may be all zeros."""
    at = piece.find(_ZEROS)
    while at != -1:
        yield -(-at // BLOCK) * BLOCK
        at = piece.find(_ZEROS, at - at % BLOCK + BLOCK)


def unwritten_or_damaged(source: Source, offset: int, label: str) -> Exception:
    """What to raise where something else should stand: zeros are space that nobody has written yet."""
    if not any(source.read(offset, 64)):
        return UnwrittenError(f"from byte {offset} on the file holds only zeros so far")
    return DamagedError(f"the {label} is damaged at byte {offset}")
