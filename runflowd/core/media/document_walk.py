"""From the beginning to the end of what is neither image nor sound nor MP4: WebM and Matroska, GLB, PDF, ZIP.

As in `movie_walk`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runflowd.core.media.image_bytes import CutShortError, DamagedError, End, UnwrittenError, take
from runflowd.core.media.sound_walk import ends_in_zeros

if TYPE_CHECKING:
    from runflowd.core.media.image_bytes import Source

# WebM and Matroska: RFC 8794 (EBML) sections 4 to 6.

_SEGMENT = b"\x18\x53\x80\x67"
_MOST_ROOTS = 16


def matroska_end(source: Source) -> End:
    """The segment ends where it says; one of unknown size is still being written, or was streamed."""
    offset = 0
    for _ in range(_MOST_ROOTS):
        identity, at = _number(source, offset)
        raw, start = _number(source, at)
        length = int.from_bytes(raw, "big") & ((1 << 7 * len(raw)) - 1)
        unknown = length == (1 << 7 * len(raw)) - 1
        if identity == _SEGMENT and unknown:
            return End.STREAMED
        if unknown:
            raise DamagedError(f"the recording is damaged at byte {offset}")
        offset = start + length
        if offset > source.size:
            raise CutShortError(f"the recording should have {offset} bytes and has {source.size}")
        if identity == _SEGMENT:
            return End.MARKED
    raise DamagedError("the recording has no segment")


def _number(source: Source, offset: int) -> tuple[bytes, int]:
    """The bytes of a number of variable length, marker included, and the offset behind it."""
    first = take(source, offset, 1, "recording")[0]
    if not first:
        if not any(source.read(offset, 64)):
            raise UnwrittenError(f"from byte {offset} on the file holds only zeros so far")
        raise DamagedError(f"the recording is damaged at byte {offset}")
    length = 9 - first.bit_length()
    return take(source, offset, length, "recording"), offset + length


# GLB: glTF 2.0 section 4.4.


def glb_end(source: Source) -> End:
    """The length in the header is that of the file, at least."""
    length = int.from_bytes(take(source, 8, 4, "3D model"), "little")
    if length > source.size or not length:
        raise CutShortError(f"the 3D model should have {length or 'more'} bytes and has {source.size}")
    return End.OPEN if ends_in_zeros(source) else End.MARKED


# PDF: ISO 32000-1 sections 7.5.5 (trailer), 7.5.6 (revisions) and F.3.3 (linearized files).

_PDF_END_WITHIN = 2048
_LINEARIZED = re.compile(rb"/Linearized\b.{0,200}?/L\s+(\d{1,15})\b", re.DOTALL)
_PDF_PART = re.compile(rb"\b\d+ \d+ obj\b|\bxref\b|\btrailer\b|\bstartxref\b")


def pdf_end(source: Source) -> End:
    """The end marker stands at the end. Each revision has one, and a linearized file has one near its beginning.

    Only a linearized file says how long it is. What ends with the marker of any other may be all of it, or an earlier
    revision of a longer one: the two are the same bytes. Behind the last marker may stand what is no part of a
    document, such as a web server's words.
    """
    linearized = _LINEARIZED.search(source.read(0, 1024))
    length = int(linearized[1]) if linearized else 0
    if length > source.size:
        raise CutShortError(f"the PDF should have {length} bytes and has {source.size}")
    at = max(0, source.size - _PDF_END_WITHIN)
    _, marker, rest = source.read(at, _PDF_END_WITHIN).rpartition(b"%%EOF")
    if not marker:
        raise CutShortError("the PDF has no end marker (%%EOF) yet")
    if _PDF_PART.search(rest):
        raise CutShortError("the PDF's last revision has no end marker (%%EOF) yet")
    return End.MARKED if length == source.size else End.OPEN


# ZIP: APPNOTE.TXT section 4.3.16.

_ZIP_END_WITHIN = 22 + 65_535


def zip_end(source: Source) -> End:
    """The directory's end is there, which is written last."""
    at = max(0, source.size - _ZIP_END_WITHIN)
    if b"PK\x05\x06" not in source.read(at, _ZIP_END_WITHIN):
        raise CutShortError("the archive's directory is missing")
    return End.MARKED
