"""MP4, MOV and M4A from the first box to the last, and where in between the media should lie.

ISO/IEC 14496-12: boxes (4.2), chunk offsets (8.7.5), movie fragments (8.8), segment index (8.16.3). As in `image_walk`:
bounded, raising `CutShortError` or `DamagedError`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runflowd.core.media.image_boxes import boxes
from runflowd.core.media.image_bytes import MOST_PARTS, PIECE, CutShortError, DamagedError, End, UnwrittenError, take

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.core.media.image_bytes import Source

_LARGEST_TABLES = 8 * 1024 * 1024
"""Bytes of chunk offsets that are read; a recording with more, days long, is not asked for them."""

_CONTAINERS = frozenset({b"trak", b"mdia", b"minf", b"stbl"})
_TABLES = {b"stco": 4, b"co64": 8}
"""The width of a chunk's offset by the kind of its table."""

_PARTS = frozenset({b"mdat", b"moov", b"moof", b"mfra", b"sidx", b"udta", b"meta", b"uuid", b"free", b"skip", b"wide"})
"""Boxes on the top level; what else seems to begin behind the media is no part of the recording."""


@dataclass(slots=True)
class _Movie:
    """What was met on the top level: kinds in order, where media lie, where the index says that they end.

    `open_ended` is a last box that runs to the end of the file, `padded` are zeros behind the last box, and `cut` is a
    box whose end is not there.
    """

    kinds: list[bytes] = field(default_factory=list)
    media: list[tuple[int, int]] = field(default_factory=list)
    description: tuple[int, int] | None = None
    indexed_end: int = 0
    open_ended: bool = False
    padded: bool = False
    cut: bool = False

    @property
    def complete(self) -> bool:
        return self.description is not None and bool(self.media)


def movie_end(source: Source) -> End:
    """The top-level boxes reach to the end of the file, what describes them and all media that it names among them.

    In fragments without an index, or with a last box that runs to the end of the file, any number of bytes may still
    come. What stands behind the last box is nobody's, where the media that the description names lie before it.
    """
    movie = _Movie()
    try:
        _walk(source, movie)
    except (CutShortError, DamagedError):
        if movie.cut or not movie.complete or not _holds_all(source, movie):
            raise
        return End.MARKED
    if movie.description is None:
        raise CutShortError("the part that describes the recording is missing (moov)")
    if not movie.media:
        raise CutShortError("the recording itself is missing (mdat)")
    if max(_last_chunk(source, movie.description), movie.indexed_end - 1) >= source.size:
        raise _beyond(source)
    if b"moof" in movie.kinds and not movie.padded:
        return End.MARKED if movie.kinds[-1] == b"mfra" or movie.indexed_end == source.size else End.STREAMED
    return End.OPEN if movie.open_ended or movie.padded else End.MARKED


def _walk(source: Source, movie: _Movie) -> None:
    for kind, start, stop in _top_level(source):
        if not kind:
            if not movie.complete:
                raise UnwrittenError(f"from byte {start} on the file holds only zeros so far")
            movie.padded = True  # padding, or room for more
            return
        if stop > source.size:
            movie.cut = kind in _PARTS
            raise _beyond(source)
        end = source.size if stop < start else stop
        if kind == b"mdat":
            _refuse_unwritten(source, start, end)
            movie.media.append((start, end))
        elif kind == b"moov":
            movie.description = movie.description or (start, end)
        elif kind == b"sidx":
            movie.indexed_end = max(movie.indexed_end, _indexed_end(source, start, end))
        movie.open_ended = stop < start
        movie.kinds.append(kind)


def _top_level(source: Source) -> Iterator[tuple[bytes, int, int]]:
    """Kind, payload start and payload end of each top-level box; the end is -1 where it is that of the file.

    The kind is b"" where zeros stand in the place of a box.
    """
    offset = 0
    for _ in range(MOST_PARTS):
        if offset == source.size:
            return
        head = take(source, offset, 8, "recording")
        if not any(head):
            yield b"", offset, source.size
            return
        length, kind, start = int.from_bytes(head[:4], "big"), head[4:], offset + 8
        if not length:
            yield kind, start, -1
            return
        if length == 1:
            length, start = int.from_bytes(take(source, start, 8, "recording"), "big"), start + 8
        stop = offset + length
        if not kind.isascii() or stop < start:
            raise DamagedError(f"the recording is damaged at byte {offset}")
        yield kind, start, stop
        offset = stop
    raise DamagedError("the recording has too many parts")


def _refuse_unwritten(source: Source, start: int, stop: int) -> None:
    """Compressed media do not end in zeros: those are space that was reserved."""
    length = min(max((stop - start) // 8, 4096), stop - start, PIECE)
    if length >= 4096 and not any(source.read(stop - length, length)):
        raise UnwrittenError(f"the recording ends in {length} or more zeros, it may still be being written")


def _holds_all(source: Source, movie: _Movie) -> bool:
    """Whether the last chunk that the description names lies in media that are there from beginning to end."""
    assert movie.description is not None
    last = _last_chunk(source, movie.description)
    return b"moof" not in movie.kinds and any(start <= last < stop for start, stop in movie.media)


def _last_chunk(source: Source, description: tuple[int, int]) -> int:
    """The highest offset of a chunk of media, -1 where the description names none that can be found."""
    try:
        return max(_chunk_offsets(source, *description, [_LARGEST_TABLES]), default=-1)
    except (CutShortError, DamagedError):
        return -1


def _chunk_offsets(source: Source, start: int, stop: int, left: list[int]) -> Iterator[int]:
    """The highest offset in each track's table of chunks; of tables, `left` bytes are read in all."""
    for kind, inner, end in boxes(source, start, stop):
        if kind in _CONTAINERS:
            yield from _chunk_offsets(source, inner, end, left)
        elif width := _TABLES.get(kind, 0):
            data = source.read(inner + 8, end - inner - 8) if end - inner <= left[0] else b""
            left[0] -= len(data)
            yield max((int.from_bytes(data[at : at + width], "big") for at in range(0, len(data), width)), default=-1)


def _indexed_end(source: Source, start: int, stop: int) -> int:
    """Where the last segment that an index lists ends; 0 where the index cannot be read."""
    data = source.read(start, min(stop - start, 12 * 65_536 + 32))
    wide = bool(data[:1].strip(b"\0"))
    at = 12 + (16 if wide else 8)
    first = int.from_bytes(data[20:28] if wide else data[16:20], "big")
    count = int.from_bytes(data[at + 2 : at + 4], "big")
    entries = [data[at + 4 + 12 * each : at + 8 + 12 * each] for each in range(count)]
    if len(data) < at + 4 + 12 * count:
        return 0
    return stop + first + sum(int.from_bytes(entry, "big") & 0x7FFF_FFFF for entry in entries)


def _beyond(source: Source) -> CutShortError:
    return CutShortError(f"the recording refers to data behind the file's {source.size} bytes")
