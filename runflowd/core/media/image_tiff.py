"""A container that is a tree of pointers: the directories of TIFF.

As in `image_walk`: bounded, raising `CutShortError` or `DamagedError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from runflowd.core.media.image_bytes import (
    CameraRawError,
    CutShortError,
    DamagedError,
    Extent,
    MiscountedError,
    Source,
    take,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_DIRECTORIES = 1_000
_MOST_ENTRIES = 4_096
_MOST_STRIPS = 1_000_000

# TIFF 6.0 section 2 and the BigTIFF addition: tag -> meaning.
_WIDTH, _HEIGHT = 256, 257
_STRIPS, _STRIP_LENGTHS, _TILES, _TILE_LENGTHS = 273, 279, 324, 325
_DNG_VERSION = 50706
_PHOTOMETRIC, _SUB_DIRECTORIES = 262, 330
_SENSOR_DATA = {32803, 34892}  # colour filter array, linear raw
_MOST_SUB_DIRECTORIES = 16
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


@dataclass(frozen=True, slots=True)
class _Tiff:
    """How to read this file's numbers: byte order and width of offsets (4, or 8 in BigTIFF)."""

    source: Source
    order: Literal["little", "big"]
    wide: bool

    def number(self, offset: int, length: int) -> int:
        return int.from_bytes(take(self.source, offset, length), self.order)

    @property
    def offset_bytes(self) -> int:
        return 8 if self.wide else 4


@dataclass(frozen=True, slots=True)
class _Field:
    """One directory entry: type, how many values, and where they lie."""

    type: int
    count: int
    offset: int

    @property
    def width(self) -> int:
        return _TYPE_BYTES.get(self.type, 1)


def tiff_end(source: Source) -> Extent:
    """From the header to the end of the file, where all that the directories refer to is there."""
    tiff = _open_tiff(source)
    first = next(_directories(tiff))
    if _DNG_VERSION in first or source.read(8, 2) == b"CR" or _is_raw(tiff, first):
        raise CameraRawError("this is a camera raw file")
    _refuse_unknown_size(tiff, first)
    for fields in _directories(tiff):
        for part in (fields, *_beneath(tiff, fields)):
            _refuse_missing_values(tiff, part)
            _refuse_missing_data(tiff, part, _STRIPS, _STRIP_LENGTHS)
            _refuse_missing_data(tiff, part, _TILES, _TILE_LENGTHS)
    return 8, source.size


def tiff_size(source: Source) -> tuple[int, int]:
    """Width and height of the first image in the file."""
    tiff = _open_tiff(source)
    fields = next(_directories(tiff))
    _refuse_unknown_size(tiff, fields)
    return _values(tiff, fields[_WIDTH])[0], _values(tiff, fields[_HEIGHT])[0]


def _is_raw(tiff: _Tiff, fields: dict[int, _Field]) -> bool:
    """Whether the first directory is the thumbnail of sensor data in another (TIFF/EP, ISO 12234-2: NEF, ARW, PEF)."""
    return any(
        _PHOTOMETRIC in beneath and set(_values(tiff, beneath[_PHOTOMETRIC])) & _SENSOR_DATA
        for beneath in _beneath(tiff, fields)
    )


def _beneath(tiff: _Tiff, fields: dict[int, _Field]) -> Iterator[dict[int, _Field]]:
    """The directories that one refers to as its parts, such as smaller versions of its image."""
    if _SUB_DIRECTORIES in fields:
        for start in _values(tiff, fields[_SUB_DIRECTORIES])[:_MOST_SUB_DIRECTORIES]:
            yield _directory(tiff, start)[0]


def _open_tiff(source: Source) -> _Tiff:
    head = take(source, 0, 4)
    order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
    return _Tiff(source, order, wide=int.from_bytes(head[2:], order) == 43)


def _directories(tiff: _Tiff) -> Iterator[dict[int, _Field]]:
    seen: set[int] = set()
    start = tiff.number(8 if tiff.wide else 4, tiff.offset_bytes)
    if not start:
        raise CutShortError("the TIFF's directory is not written yet")
    while start and start not in seen and len(seen) < _MOST_DIRECTORIES:
        seen.add(start)
        fields, end = _directory(tiff, start)
        yield fields
        start = tiff.number(end, tiff.offset_bytes)


def _directory(tiff: _Tiff, start: int) -> tuple[dict[int, _Field], int]:
    """The entries of one directory by tag, and the offset behind them."""
    count_bytes, entry_bytes = (8, 20) if tiff.wide else (2, 12)
    count = tiff.number(start, count_bytes)
    if not count:
        raise CutShortError("the TIFF's directory is not written yet")
    if count > _MOST_ENTRIES:
        raise DamagedError("the TIFF's directory is damaged")
    entries = take(tiff.source, start + count_bytes, count * entry_bytes)
    fields = {}
    for at in range(0, len(entries), entry_bytes):
        entry = entries[at : at + entry_bytes]
        tag = int.from_bytes(entry[:2], tiff.order)
        fields[tag] = _field(tiff, entry, start + count_bytes + at)
    return fields, start + count_bytes + len(entries)


def _field(tiff: _Tiff, entry: bytes, offset: int) -> _Field:
    kind = int.from_bytes(entry[2:4], tiff.order)
    count = int.from_bytes(entry[4 : 4 + tiff.offset_bytes], tiff.order)
    inline = 4 + tiff.offset_bytes
    if _TYPE_BYTES.get(kind, 1) * count <= tiff.offset_bytes:
        return _Field(kind, count, offset + inline)
    return _Field(kind, count, int.from_bytes(entry[inline:], tiff.order))


def _refuse_unknown_size(tiff: _Tiff, fields: dict[int, _Field]) -> None:
    for tag in (_WIDTH, _HEIGHT):
        if tag not in fields or not fields[tag].count:
            raise DamagedError("the TIFF does not say how large its image is")
        take(tiff.source, fields[tag].offset, fields[tag].width)


def _refuse_missing_values(tiff: _Tiff, fields: dict[int, _Field]) -> None:
    """What a directory refers to is written by who wrote it: no decoder misses it, and it is not there yet."""
    if any(field.offset + field.width * field.count > tiff.source.size for field in fields.values()):
        raise CutShortError(_beyond(tiff.source))


def _refuse_missing_data(tiff: _Tiff, fields: dict[int, _Field], starts: int, lengths: int) -> None:
    if starts not in fields or lengths not in fields:
        return
    pairs = zip(_values(tiff, fields[starts]), _values(tiff, fields[lengths]), strict=False)
    if any(start + length > tiff.source.size for start, length in pairs):
        raise MiscountedError(_beyond(tiff.source))


def _values(tiff: _Tiff, field: _Field) -> list[int]:
    if field.count > _MOST_STRIPS:
        raise DamagedError("the TIFF's directory is damaged")
    data = take(tiff.source, field.offset, field.width * field.count)
    return [int.from_bytes(data[at : at + field.width], tiff.order) for at in range(0, len(data), field.width)]


def _beyond(source: Source) -> str:
    return f"the TIFF refers to data behind the file's {source.size} bytes"
