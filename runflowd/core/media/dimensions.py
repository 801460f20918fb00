"""How many pixels an image has, as its header says; never decoded, so that a huge number is only a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.media.image_boxes import boxes
from runflowd.core.media.image_bytes import CutShortError, DamagedError, take
from runflowd.core.media.image_jpeg import jpeg_segments
from runflowd.core.media.image_tiff import tiff_size
from runflowd.core.media.image_type import SNIFF_BYTES, ImageType, sniff

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.core.media.image_bytes import Source

MOST = 2**40
"""Pixels beyond which no header is believed; libraries stop far below."""

_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG's frame header (ITU-T T.81 table B.1)."""


def pixels(source: Source) -> int | None:
    """Width times height of an image; None for what is no image, or does not say. `source.read` may raise."""
    kind = sniff(source.read(0, SNIFF_BYTES))
    if kind is None:
        return None
    try:
        width, height = _SIZES[kind](source)
    except (CutShortError, DamagedError):
        return None
    count = width * height
    return count if 0 < count <= MOST else None


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _jpeg(source: Source) -> tuple[int, int]:
    for marker, start, _ in jpeg_segments(source):
        if marker in _FRAME_HEADERS:
            frame = take(source, start, 5)
            return int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big")
    return 0, 0


def _png(source: Source) -> tuple[int, int]:
    head = take(source, 16, 8)
    return int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")


def _gif(source: Source) -> tuple[int, int]:
    head = take(source, 6, 4)
    return _little(head[:2]), _little(head[2:])


def _bmp(source: Source) -> tuple[int, int]:
    head = take(source, 14, 12)
    if _little(head[:4]) == 12:
        return _little(head[4:6]), _little(head[6:8])
    width, height = (int.from_bytes(head[at : at + 4], "little", signed=True) for at in (4, 8))
    return max(width, 0), abs(height)


def _webp(source: Source) -> tuple[int, int]:
    """By its first chunk: extended, lossless or lossy (RFC 9649 section 2)."""
    head = take(source, 12, 18)
    if head[:4] == b"VP8X":
        return _little(head[12:15]) + 1, _little(head[15:18]) + 1
    if head[:4] == b"VP8L":
        bits = _little(head[9:13])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return _little(head[14:16]) & 0x3FFF, _little(head[16:18]) & 0x3FFF


def _boxed(source: Source) -> tuple[int, int]:
    """The largest of the sizes that an image's properties name: an image of tiles is larger than each of them."""
    ranges = [(0, source.size)]
    for kind, skipped in ((b"meta", 4), (b"iprp", 0), (b"ipco", 0)):
        ranges = [
            (at + skipped, end)
            for start, stop in ranges
            for name, at, end in boxes(source, start, stop)
            if name == kind
        ]
    sizes = [
        take(source, at + 4, 8)
        for start, stop in ranges
        for name, at, _ in boxes(source, start, stop)
        if name == b"ispe"
    ]
    found = [(int.from_bytes(size[:4], "big"), int.from_bytes(size[4:], "big")) for size in sizes]
    return max(found, key=lambda size: size[0] * size[1], default=(0, 0))


_SIZES: dict[ImageType, Callable[[Source], tuple[int, int]]] = {
    ImageType.JPEG: _jpeg,
    ImageType.PNG: _png,
    ImageType.WEBP: _webp,
    ImageType.GIF: _gif,
    ImageType.TIFF: tiff_size,
    ImageType.BMP: _bmp,
    ImageType.HEIC: _boxed,
    ImageType.AVIF: _boxed,
}
