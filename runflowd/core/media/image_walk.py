"""From header to end marker of an image container, one walker for each: PNG, WebP, GIF, BMP.

For each format a function gives where the image's data begin and where what the image needs ends, if
the last byte of that is there: what follows is not part of it. Otherwise it raises `CutShortError` or
`DamagedError` with a clause for people. Loops only move forward and are bounded, whatever the bytes say.
"""

from __future__ import annotations

from runflowd.core.media.image_bytes import (
    MOST_PARTS,
    PIECE,
    CutShortError,
    DamagedError,
    Extent,
    MiscountedError,
    Source,
    refuse_zero_tail,
    take,
    unwritten_or_damaged,
)

# PNG: W3C Portable Network Graphics, section 5.


def png_end(source: Source) -> Extent:
    if take(source, 8, 16)[4:8] != b"IHDR":
        raise unwritten_or_damaged(source, 8, "PNG")
    offset = 8
    for _ in range(MOST_PARTS):
        head = take(source, offset, 8)
        length = int.from_bytes(head[:4], "big")
        if not head[4:].isalpha() or length >= 1 << 31:
            raise unwritten_or_damaged(source, offset, "PNG")
        if head[4:] == b"IEND":
            take(source, offset, 12)
            return 8, offset + 12
        offset += 12 + length
    raise DamagedError("the PNG has too many chunks")


# WebP: RFC 9649.


def webp_end(source: Source) -> Extent:
    end = int.from_bytes(take(source, 4, 4), "little") + 8
    if end > source.size:
        raise CutShortError(f"the WebP should have {end} bytes and has {source.size}")
    if take(source, 12, 18)[:4] not in {b"VP8 ", b"VP8L", b"VP8X"}:
        raise unwritten_or_damaged(source, 12, "WebP")
    offset = 12
    for _ in range(MOST_PARTS):
        if offset + 8 > end:
            refuse_zero_tail(source, "WebP", end)
            return 12, end
        head = take(source, offset, 8)
        if not any(head):
            raise unwritten_or_damaged(source, offset, "WebP")
        length = int.from_bytes(head[4:], "little")
        offset += 8 + length + length % 2
    raise DamagedError("the WebP has too many chunks")


# GIF: GIF89a specification.


def gif_end(source: Source) -> Extent:
    window = _Window(source)
    offset = 13 + _colour_table(window.byte(10))
    while True:
        block = window.byte(offset)
        if block == 0x3B:
            return 13, offset + 1
        if block == 0x21:
            offset += 2
        elif block == 0x2C:
            offset += 11 + _colour_table(window.byte(offset + 9))
        else:
            raise unwritten_or_damaged(source, offset, "GIF")
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
            self._piece = take(self._source, offset, 1) + self._source.read(offset + 1, PIECE)
            self._start, at = offset, 0
        return self._piece[at]


_FILE_HEADER = 14
_INFO_HEADER = 40
_PALETTE_BITS = 8

# BMP: the BITMAPFILEHEADER and BITMAPINFOHEADER structures of the Windows GDI.


def bmp_end(source: Source) -> Extent:
    head = take(source, 0, 34)
    said, palette = int.from_bytes(head[10:14], "little"), _palette_end(source, head)
    pixels, length = max(said, palette), _bitmap_bytes(head)
    end = pixels + length if length else max(pixels, int.from_bytes(head[2:6], "little"))
    if end > source.size:
        wrong = MiscountedError if said < palette else CutShortError
        raise wrong(f"the BMP should have {end} bytes and has {source.size}")
    return pixels, end


def _palette_end(source: Source, head: bytes) -> int:
    """Where the palette of at most 256 colours ends, 0 without one: pixels begin behind it, whatever a header says."""
    header, bits = int.from_bytes(head[14:18], "little"), int.from_bytes(head[28:30], "little")
    if header < _INFO_HEADER or bits > _PALETTE_BITS:
        return 0
    used = int.from_bytes(take(source, 46, 4), "little")
    return _FILE_HEADER + header + 4 * (used if 0 < used < 1 << bits else 1 << bits)


def _bitmap_bytes(head: bytes) -> int:
    """The length of an uncompressed bitmap, which its size in the header often misses by a few; 0 if not known."""
    if int.from_bytes(head[14:18], "little") < _INFO_HEADER or int.from_bytes(head[30:34], "little") not in {0, 3}:
        return 0
    width, height = (int.from_bytes(head[at : at + 4], "little", signed=True) for at in (18, 22))
    return (width * int.from_bytes(head[28:30], "little") + 31) // 32 * 4 * abs(height) if width > 0 else 0
