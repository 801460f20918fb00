"""HEIC and AVIF: boxes on the top level, and in one of them where the data of each image lie (ISO/IEC 14496-12).

As in `image_walk`: bounded, raising `CutShortError` or `DamagedError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.media.image_bytes import (
    CutShortError,
    DamagedError,
    Extent,
    Source,
    UnwrittenError,
    refuse_zero_tail,
    take,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_BOXES = 10_000
_MOST_ITEMS = 65_536
_LARGEST_TABLE = 4 * 1024 * 1024


def box_end(source: Source) -> Extent:
    """From the first box to the last extent that an image refers to; to the end of the file where none says so."""
    found: dict[bytes, tuple[int, int]] = {}
    try:
        for kind, start, stop in boxes(source, 0, source.size):
            found.setdefault(kind, (start, stop))
    except (CutShortError, DamagedError):
        end = _items_end(source, found)
        if not end or end > source.size:
            raise
        return 0, end
    if not found.keys() & {b"meta", b"moov"}:
        raise CutShortError("the part that describes the image is missing")
    end = _items_end(source, found) or source.size
    if end > source.size:
        raise _beyond(source)
    refuse_zero_tail(source, "image", end)
    return 0, end


def boxes(source: Source, offset: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, payload start and payload end of each box in a range (section 4.2)."""
    for _ in range(_MOST_BOXES):
        if offset >= end:
            return
        head = take(source, offset, 8)
        length, kind, start = int.from_bytes(head[:4], "big"), head[4:], offset + 8
        if not any(head):
            raise UnwrittenError(f"from byte {offset} on the file holds only zeros so far")
        if length == 1:
            length, start = int.from_bytes(take(source, start, 8), "big"), start + 8
        stop = offset + length if length else end
        if not kind.isascii() or stop < start:
            raise DamagedError(f"the file is damaged at byte {offset}")
        if stop > end:
            raise _beyond(source)
        yield kind, start, stop
        offset = stop
    raise DamagedError("the file has too many parts")


def _items_end(source: Source, found: dict[bytes, tuple[int, int]]) -> int:
    """Where the last extent of an image ends (`iloc`, section 8.11.3); 0 where no table says so, or a film has more."""
    if b"meta" not in found or b"moov" in found:
        return 0
    start, stop = found[b"meta"]
    try:
        table = next((box for box in boxes(source, start + 4, stop) if box[0] == b"iloc"), None)
    except (CutShortError, DamagedError):
        return 0
    if table is None or table[2] - table[1] > _LARGEST_TABLE:
        return 0
    return _Table(source.read(table[1], table[2] - table[1])).end()


class _Table:
    """The numbers of an `iloc` box, read one after the other; what is missing reads as 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def end(self) -> int:
        """The highest end of an extent in the file itself; 0 if one runs to the end of the file, or none is there."""
        version = self._number(1)
        self._number(3)
        widths = self._number(2)
        offset_width, length_width, base_width, index_width = (widths >> shift & 15 for shift in (12, 8, 4, 0))
        count = self._number(4 if version == 2 else 2)
        ends = [0]
        for _ in range(min(count, _MOST_ITEMS)):
            self._number(4 if version == 2 else 2)
            method = self._number(2) & 15 if version else 0
            self._number(2)
            base = self._number(base_width)
            for _ in range(min(self._number(2), _MOST_ITEMS)):
                self._number(index_width if version else 0)
                offset, length = self._number(offset_width), self._number(length_width)
                if not length or self._at > len(self._data):
                    return 0
                if method == 0:  # 1 and 2 are within other parts of the file
                    ends.append(base + offset + length)
        return max(ends)

    def _number(self, width: int) -> int:
        found = self._data[self._at : self._at + width]
        self._at += width
        return int.from_bytes(found, "big")


def _beyond(source: Source) -> CutShortError:
    return CutShortError(f"the image refers to data behind the file's {source.size} bytes")
