"""From header to end marker, one walker per image container.

For each format a `*_size` function reads width and height from the header and a `*_end` function
returns if the last byte the container needs is there. Both raise `CutShortError` or `DamagedError`
with a clause for people. Loops only move forward and are bounded, whatever the bytes say.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""

_PIECE = 256 * 1024
_MOST_PARTS = 100_000
_ZEROS_MEAN_UNWRITTEN = 64 * 1024
"""Cameras pad a finished JPEG to a block; more zeros than this is space reserved, not yet written."""


class Source(Protocol):
    """Random access to bytes."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on; fewer than `length` only at the end."""


class CutShortError(Exception):
    """The bytes end, or turn into space nobody has written yet, before the image does."""


class DamagedError(Exception):
    """Bytes that no amount of waiting will turn into an image."""


def take(source: Source, offset: int, length: int) -> bytes:
    """Exactly `length` bytes from `offset`, or CutShortError."""
    data = source.read(offset, length) if offset < source.size else b""
    if len(data) < length:
        raise CutShortError(f"the file ends after {source.size} bytes, before the image does")
    return data


def refuse_zero_tail(source: Source, label: str) -> None:
    """For containers without an end marker: zeros at the end of compressed data are reserved space.

    An eighth of the file is asked for, because a flat image in lossy WebP honestly ends in zeros: in
    tries 5 to 6 % of the file. Uncompressed formats cannot be told this way, black pixels are zeros.
    """
    length = min(max(source.size // 8, 4096), source.size - 64, _PIECE)
    if length > 0 and not any(source.read(source.size - length, length)):
        raise CutShortError(f"the {label} ends in {length} or more zeros, it may still be being written")


# JPEG: ITU-T T.81 annex B.

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def jpeg_size(source: Source) -> Size:
    for marker, offset, length in _jpeg_segments(source):
        if marker in _FRAMES and length >= 7:
            frame = take(source, offset, 5)
            return int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big")
    raise DamagedError("the JPEG has no frame header")


def jpeg_end(source: Source) -> None:
    offset = 2
    for marker, start, length in _jpeg_segments(source):
        offset = start + length
        if marker == 0xDA:
            break
    if source.read(max(offset, source.size - 2), 2) == b"\xff\xd9":
        return
    _refuse_zeros_after(source, _jpeg_end_of_image(source, offset))


def _jpeg_segments(source: Source) -> Iterator[tuple[int, int, int]]:
    """Marker, payload offset and payload length of each segment up to and with the first scan header."""
    offset = 2
    for _ in range(_MOST_PARTS):
        lead, marker = take(source, offset, 2)
        if lead != 0xFF:
            raise _unwritten_or_damaged(source, offset, "JPEG")
        if marker == 0xFF:
            offset += 1
            continue
        if marker == 0xD9:
            raise DamagedError("the JPEG ends before its image data")
        length = int.from_bytes(take(source, offset + 2, 2), "big") - 2
        if length < 0:
            raise _unwritten_or_damaged(source, offset, "JPEG")
        yield marker, offset + 4, length
        if marker == 0xDA:
            return
        offset += 4 + length
    raise DamagedError("the JPEG has too many segments")


def _jpeg_end_of_image(source: Source, offset: int) -> int:
    """Where the first image ends. Later bytes are further images or a motion photo's video."""
    for _ in range(_MOST_PARTS):
        offset, marker = _next_marker(source, offset)
        if marker == 0xD9:
            return offset
        offset += int.from_bytes(take(source, offset, 2), "big")
    raise DamagedError("the JPEG has too many segments")


def _next_marker(source: Source, offset: int) -> tuple[int, int]:
    """The next marker in entropy-coded data and the offset behind it; stuffed bytes are no markers."""
    while offset < source.size - 1:
        piece = source.read(offset, _PIECE)
        if len(piece) < 2:
            break
        found = _MARKER.search(piece)
        if found:
            return offset + found.end(), piece[found.end() - 1]
        offset += len(piece) - 1  # a marker may straddle two pieces
    raise CutShortError("the JPEG's end marker is missing")


def _refuse_zeros_after(source: Source, offset: int) -> None:
    rest = source.size - offset
    if rest > _ZEROS_MEAN_UNWRITTEN and not any(source.read(source.size - 4096, 4096)):
        raise CutShortError(f"the last of {rest} bytes behind the JPEG are still zero")


def _unwritten_or_damaged(source: Source, offset: int, label: str) -> Exception:
    if not any(source.read(offset, 64)):
        return CutShortError(f"from byte {offset} on the file holds only zeros so far")
    return DamagedError(f"the {label} is damaged at byte {offset}")


# PNG: W3C Portable Network Graphics, section 5.


def png_size(source: Source) -> Size:
    header = take(source, 8, 16)
    if header[4:8] != b"IHDR":
        raise _unwritten_or_damaged(source, 8, "PNG")
    return int.from_bytes(header[8:12], "big"), int.from_bytes(header[12:16], "big")


def png_end(source: Source) -> None:
    png_size(source)
    offset = 8
    for _ in range(_MOST_PARTS):
        head = take(source, offset, 8)
        length = int.from_bytes(head[:4], "big")
        if not head[4:].isalpha() or length >= 1 << 31:
            raise _unwritten_or_damaged(source, offset, "PNG")
        if head[4:] == b"IEND":
            take(source, offset, 12)
            return
        offset += 12 + length
    raise DamagedError("the PNG has too many chunks")


# WebP: RFC 9649.


def webp_size(source: Source) -> Size:
    head = take(source, 12, 18)
    if head[:4] == b"VP8X":
        return int.from_bytes(head[12:15], "little") + 1, int.from_bytes(head[15:18], "little") + 1
    if head[:4] == b"VP8L":
        bits = int.from_bytes(head[9:13], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if head[:4] == b"VP8 ":
        return int.from_bytes(head[14:16], "little") & 0x3FFF, int.from_bytes(head[16:18], "little") & 0x3FFF
    raise _unwritten_or_damaged(source, 12, "WebP")


def webp_end(source: Source) -> None:
    end = int.from_bytes(take(source, 4, 4), "little") + 8
    if end > source.size:
        raise CutShortError(f"the WebP should have {end} bytes and has {source.size}")
    webp_size(source)
    offset = 12
    for _ in range(_MOST_PARTS):
        if offset + 8 > end:
            return refuse_zero_tail(source, "WebP")
        head = take(source, offset, 8)
        if not any(head):
            raise _unwritten_or_damaged(source, offset, "WebP")
        length = int.from_bytes(head[4:], "little")
        offset += 8 + length + length % 2
    raise DamagedError("the WebP has too many chunks")


# GIF: GIF89a specification.


def gif_size(source: Source) -> Size:
    head = take(source, 6, 4)
    return int.from_bytes(head[:2], "little"), int.from_bytes(head[2:], "little")


def gif_end(source: Source) -> None:
    window = _Window(source)
    offset = 13 + _colour_table(window.byte(10))
    while True:
        block = window.byte(offset)
        if block == 0x3B:
            return
        if block == 0x21:
            offset += 2
        elif block == 0x2C:
            offset += 11 + _colour_table(window.byte(offset + 9))
        else:
            raise _unwritten_or_damaged(source, offset, "GIF")
        while length := window.byte(offset):
            offset += 1 + length
        offset += 1


def _colour_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


class _Window:
    """Single bytes of a source, read a piece at a time: GIF blocks are at most 255 bytes apart."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._start = 0
        self._piece = b""

    def byte(self, offset: int) -> int:
        at = offset - self._start
        if not 0 <= at < len(self._piece):
            self._piece = take(self._source, offset, 1) + self._source.read(offset + 1, _PIECE)
            self._start, at = offset, 0
        return self._piece[at]


# BMP: the BITMAPFILEHEADER and BITMAPINFOHEADER structures of the Windows GDI.


def bmp_size(source: Source) -> Size:
    head = take(source, 14, 12)
    if int.from_bytes(head[:4], "little") == 12:
        return int.from_bytes(head[4:6], "little"), int.from_bytes(head[6:8], "little")
    # A negative height means rows from top to bottom.
    return (
        abs(int.from_bytes(head[4:8], "little", signed=True)),
        abs(int.from_bytes(head[8:12], "little", signed=True)),
    )


def bmp_end(source: Source) -> None:
    head = take(source, 0, 14)
    end = max(int.from_bytes(head[2:6], "little"), int.from_bytes(head[10:14], "little"))
    if end > source.size:
        raise CutShortError(f"the BMP should have {end} bytes and has {source.size}")
    bmp_size(source)
