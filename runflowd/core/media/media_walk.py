"""From the beginning to the end of what is no image: MP4, WAV, WebM, GLB, PDF, and sound without an end marker.

As in `image_walk`: bounded, raising `CutShortError` or `DamagedError`. Each walker returns whether the end is marked:
`True` when the last byte that the container needs is there, `False` when its bytes cannot tell whether more will come.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runflowd.core.media.image_bytes import MOST_PARTS, PIECE, CutShortError, DamagedError, refuse_zero_tail, take

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.core.media.image_bytes import Source

_UNKNOWN_RIFF_SIZES = frozenset({0, 0xFFFF_FFFF})
_SEGMENT = b"\x18\x53\x80\x67"
_MOST_ROOTS = 16
_PDF_END_WITHIN = 2048
_LINEARIZED = re.compile(rb"/Linearized\b.{0,200}?/L\s+(\d{1,15})\b", re.DOTALL)

# MP4, MOV, M4A: ISO/IEC 14496-12 sections 4.2 (boxes) and 8.8 (movie fragments).


def mp4_end(source: Source) -> bool:
    """The top-level boxes reach to the end of the file, what describes them and the media itself among them.

    In fragments, or with a last box that runs to the end of the file, any number of bytes may still come.
    """
    kinds: list[bytes] = []
    open_ended = False
    for kind, start, stop in _boxes(source):
        if not kind and {b"moov", b"mdat"} <= set(kinds):
            return False  # padding, or room for more
        if not kind:
            raise CutShortError(f"from byte {start} on the file holds only zeros so far")
        if kind == b"mdat":
            _refuse_unwritten(source, start, min(stop, source.size))
        open_ended = stop < start
        kinds.append(kind)
    if b"moov" not in kinds:
        raise CutShortError("the part that describes the recording is missing (moov)")
    if b"mdat" not in kinds:
        raise CutShortError("the recording itself is missing (mdat)")
    return not open_ended and (b"moof" not in kinds or kinds[-1] == b"mfra")


def _boxes(source: Source) -> Iterator[tuple[bytes, int, int]]:
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
        if stop > source.size:
            raise CutShortError(f"the recording refers to data behind the file's {source.size} bytes")
        yield kind, start, stop
        offset = stop
    raise DamagedError("the recording has too many parts")


def _refuse_unwritten(source: Source, start: int, stop: int) -> None:
    """Compressed media do not end in zeros: those are space that was reserved."""
    stop = source.size if stop < start else stop
    length = min(max((stop - start) // 8, 4096), stop - start, PIECE)
    if length >= 4096 and not any(source.read(stop - length, length)):
        raise CutShortError(f"the recording ends in {length} or more zeros, it may still be being written")


# WAV: Multimedia Programming Interface and Data Specifications 1.0, chapter 2 (RIFF).


def wav_end(source: Source) -> bool:
    """The size in the header is that of the file; recorders that stream leave it open, or count on."""
    size = int.from_bytes(take(source, 4, 4, "recording"), "little")
    end = size + 8
    if size in _UNKNOWN_RIFF_SIZES or end < source.size - 1:
        return False
    if end > source.size:
        raise CutShortError(f"the recording should have {end} bytes and has {source.size}")
    return not _ends_in_zeros(source)


# WebM: RFC 8794 (EBML) sections 4 to 6.


def webm_end(source: Source) -> bool:
    """The segment ends where it says; one of unknown size is still being written, or was streamed."""
    offset = 0
    for _ in range(_MOST_ROOTS):
        identity, at = _number(source, offset)
        raw, start = _number(source, at)
        length = int.from_bytes(raw, "big") & ((1 << 7 * len(raw)) - 1)
        unknown = length == (1 << 7 * len(raw)) - 1
        if identity == _SEGMENT and unknown:
            return False
        if unknown:
            raise DamagedError(f"the WebM is damaged at byte {offset}")
        offset = start + length
        if offset > source.size:
            raise CutShortError(f"the WebM should have {offset} bytes and has {source.size}")
        if identity == _SEGMENT:
            return True
    raise DamagedError("the WebM has no segment")


def _number(source: Source, offset: int) -> tuple[bytes, int]:
    """The bytes of a number of variable length, marker included, and the offset behind it."""
    first = take(source, offset, 1, "WebM")[0]
    if not first:
        if not any(source.read(offset, 64)):
            raise CutShortError(f"from byte {offset} on the file holds only zeros so far")
        raise DamagedError(f"the WebM is damaged at byte {offset}")
    length = 9 - first.bit_length()
    return take(source, offset, length, "WebM"), offset + length


# GLB: glTF 2.0 section 4.4.


def glb_end(source: Source) -> bool:
    """The length in the header is that of the file, at least."""
    length = int.from_bytes(take(source, 8, 4, "3D model"), "little")
    if length > source.size or not length:
        raise CutShortError(f"the 3D model should have {length or 'more'} bytes and has {source.size}")
    return not _ends_in_zeros(source)


# PDF: ISO 32000-1 sections 7.5.5 (trailer) and F.3.3 (linearized files).


def pdf_end(source: Source) -> bool:
    """The end marker stands near the end; a linearized file has one near its beginning too, and says its length."""
    linearized = _LINEARIZED.search(source.read(0, 1024))
    if linearized and int(linearized[1]) > source.size:
        raise CutShortError(f"the PDF should have {int(linearized[1])} bytes and has {source.size}")
    at = max(0, source.size - _PDF_END_WITHIN)
    if b"%%EOF" not in source.read(at, _PDF_END_WITHIN):
        raise CutShortError("the PDF has no end marker (%%EOF) yet")
    return True


def no_end(source: Source) -> bool:
    """MP3, FLAC and Ogg: a part of such a file is such a file. Zeros at the end are space that was reserved."""
    refuse_zero_tail(source, "recording", source.size)
    return False


def _ends_in_zeros(source: Source) -> bool:
    """Silence and flat data may honestly end in zeros, so it is only a doubt."""
    length = min(max(source.size // 8, 4096), PIECE)
    return source.size > length and not any(source.read(source.size - length, length))
