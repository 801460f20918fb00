"""Sound: WAV (and AVI, which is a RIFF file, too), MP3 and Ogg from header to end, where they say one.

As in `movie_walk`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.media.image_bytes import PIECE, CutShortError, End, refuse_zero_tail, take

if TYPE_CHECKING:
    from runflowd.core.media.image_bytes import Source

_UNKNOWN_SIZES = frozenset({0, 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF})

# Multimedia Programming Interface and Data Specifications 1.0, chapter 2 (RIFF); EBU Tech 3306 (RF64), ITU-R BS.2088.


def riff_end(source: Source) -> End:
    """The size in the header is that of the file; recorders that stream leave it open, or count on."""
    head = take(source, 0, 8, "recording")
    size = int.from_bytes(head[4:], "little")
    if head[:4] != b"RIFF":  # the size has eight bytes, in a chunk of its own
        size = int.from_bytes(take(source, 20, 8, "recording"), "little")
    end = size + 8
    if size in _UNKNOWN_SIZES or end < source.size - 1:
        return End.OPEN
    if end > source.size:
        raise CutShortError(f"the recording should have {end} bytes and has {source.size}")
    return End.OPEN if ends_in_zeros(source) else End.MARKED


# ISO/IEC 11172-3 section 2.4.1.3. The frame that encoders put first ("Xing", "Info") says how many bytes there are.

_SIDE_INFORMATION = {(True, True): 17, (True, False): 32, (False, True): 9, (False, False): 17}
"""Bytes behind a frame's header, by whether it is MPEG 1 and whether it has one channel."""


def mp3_end(source: Source) -> End:
    """As many bytes are there as the first frame says; a part of such a file is such a file, too, so it is no proof."""
    refuse_zero_tail(source, "recording", source.size)
    start = _first_frame(source)
    head = source.read(start, 64)
    if len(head) < 64:
        return End.OPEN
    at = 4 + _SIDE_INFORMATION[head[1] & 0x18 == 0x18, head[3] >> 6 == 3] + (0 if head[1] & 1 else 2)
    flags = int.from_bytes(head[at + 4 : at + 8], "big")
    if head[at : at + 4] not in {b"Xing", b"Info"} or not flags & 2:
        return End.OPEN
    at += 12 if flags & 1 else 8
    length = int.from_bytes(head[at : at + 4], "big")
    if not length:
        return End.OPEN
    return End.MARKED if start + length <= source.size else End.STREAMED


def _first_frame(source: Source) -> int:
    """Behind the tags in front (ID3v2, section 3.1: seven bits of each byte count)."""
    head = source.read(0, 10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    length = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
    return 10 + length + (10 if head[5] & 0x10 else 0)


# RFC 3533 section 6.

_LARGEST_PAGE = 27 + 255 + 255 * 255


def ogg_end(source: Source) -> End:
    """The last page is there, and says that it is the last."""
    refuse_zero_tail(source, "recording", source.size)
    start = max(0, source.size - _LARGEST_PAGE)
    tail = source.read(start, _LARGEST_PAGE)
    page = tail[max(0, tail.rfind(b"OggS")) :]
    segments = page[27 : 27 + page[26]] if len(page) > 26 else b""
    if len(page) < 27 + len(segments) + sum(segments) or not segments:
        return End.STREAMED
    return End.MARKED if page[5] & 4 else End.OPEN


def frames_end(source: Source) -> End:
    """FLAC and AAC: a part of such a file is such a file. Zeros at the end are space that was reserved."""
    refuse_zero_tail(source, "recording", source.size)
    return End.OPEN


def ends_in_zeros(source: Source) -> bool:
    """Silence and flat data may honestly end in zeros, so it is only a doubt."""
    length = min(max(source.size // 8, 4096), PIECE)
    return source.size > length and not any(source.read(source.size - length, length))
