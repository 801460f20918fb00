"""JPEG from header to end marker (ITU-T T.81 annex B); raising as the walkers of `image_walk` do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runflowd.core.media.image_bytes import (
    MOST_PARTS,
    PIECE,
    CutShortError,
    DamagedError,
    Extent,
    Source,
    take,
    unwritten_or_damaged,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


_ZEROS_MEAN_UNWRITTEN = 64 * 1024
"""Cameras pad a finished JPEG to a block; more zeros than this may be space that was reserved for more."""

_MOST_STRAY = 64 * 1024
"""Bytes between two segments that are passed over in search of the next, as decoders do."""

_SEGMENT = re.compile(rb"\xff+[^\x00\x01\xd0-\xd9\xff]")
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def jpeg_end(source: Source) -> Extent:
    """Where the data of the first image begin and end: what a camera puts behind it is not part of it."""
    offset = 2
    for marker, start, length in jpeg_segments(source):
        offset = start + length
        if marker == 0xDA:
            break
    if source.read(max(offset, source.size - 2), 2) == b"\xff\xd9":
        return offset, source.size
    end = _jpeg_end_of_image(source, offset)
    reserved = source.size - end > _ZEROS_MEAN_UNWRITTEN and not any(source.read(source.size - 4096, 4096))
    return offset, source.size if reserved else end


def jpeg_segments(source: Source) -> Iterator[tuple[int, int, int]]:
    """Marker, payload offset and payload length of each segment up to and with the first scan header."""
    offset = 2
    for _ in range(MOST_PARTS):
        lead, marker = take(source, offset, 2)
        if lead != 0xFF:
            offset = _next_segment(source, offset)
            continue
        if marker == 0xFF:
            offset += 1
            continue
        if marker == 0xD9:
            raise DamagedError("the JPEG ends before its image data")
        length = int.from_bytes(take(source, offset + 2, 2), "big") - 2
        if length < 0:
            raise unwritten_or_damaged(source, offset, "JPEG")
        yield marker, offset + 4, length
        if marker == 0xDA:
            return
        offset += 4 + length
    raise DamagedError("the JPEG has too many segments")


def _next_segment(source: Source, offset: int) -> int:
    """The place of the next segment behind bytes that belong to none; zeros are none yet."""
    stray = source.read(offset, _MOST_STRAY)
    found = _SEGMENT.search(stray)
    if found is None or not any(stray[:64]):
        raise unwritten_or_damaged(source, offset, "JPEG")
    return offset + found.end() - 2


def _jpeg_end_of_image(source: Source, offset: int) -> int:
    """Where the first image ends. Later bytes are further images or a motion photo's video."""
    for _ in range(MOST_PARTS):
        offset, marker = _next_marker(source, offset)
        if marker == 0xD9:
            return offset
        offset += int.from_bytes(take(source, offset, 2), "big")
    raise DamagedError("the JPEG has too many segments")


def _next_marker(source: Source, offset: int) -> tuple[int, int]:
    """The next marker in entropy-coded data and the offset behind it; stuffed bytes are no markers."""
    while offset < source.size - 1:
        piece = source.read(offset, PIECE)
        if len(piece) < 2:
            break
        found = _MARKER.search(piece)
        if found:
            return offset + found.end(), piece[found.end() - 1]
        offset += len(piece) - 1  # a marker may straddle two pieces
    raise CutShortError("the JPEG's end marker is missing")
