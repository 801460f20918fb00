"""A text file whose words go into an input: UTF-8, short enough, and all of it there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runflowd.core.media.image_bytes import CutShortError, DamagedError, End

if TYPE_CHECKING:
    from runflowd.core.media.image_bytes import Source

TEXT_MIME = "text/plain"

TEXT_SUFFIXES = ("txt", "text", "md")
"""The suffixes that promise a text; its bytes tell nothing."""

MAX_TEXT_BYTES = 64 * 1024
"""The longest text that is taken, in bytes: it becomes a part of a request."""

_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")


def text_end(source: Source) -> End:
    """Walk a text as the walkers of other media do: nothing marks its end. Raises what `text_of` raises."""
    if source.size > MAX_TEXT_BYTES:
        message = f"the text has {source.size:,} bytes; at most {MAX_TEXT_BYTES:,} are taken: shorten it"
        raise DamagedError(message)
    text_of(source.read(0, source.size))
    return End.OPEN


def text_of(data: bytes) -> str:
    """The words in a text file: without byte order mark, with plain line ends, without blank lines at its end.

    Raises `DamagedError` with the place of what is no UTF-8 text, `CutShortError` where it ends within a character.
    """
    if name := _BOMS.get(data[:2]):
        message = f"the text is {name}, not UTF-8: save it again as UTF-8"
        raise DamagedError(message)
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            cut = f"the file ends after {len(data)} bytes, within a character"
            raise CutShortError(cut) from None
        message = f"byte 0x{data[error.start]:02X} {_place(data, error.start)} is no UTF-8: save the text as UTF-8"
        raise DamagedError(message) from None
    if control := _CONTROL.search(data):
        message = f"byte 0x{data[control.start()]:02X} {_place(data, control.start())} has no place in a text"
        raise DamagedError(message)
    if not text.strip():
        message = "the text holds nothing but blanks"
        raise DamagedError(message)
    return text.rstrip()


def _place(data: bytes, at: int) -> str:
    """An offset for people: where an editor shows it."""
    line = data.count(b"\n", 0, at) + 1
    column = at - (data.rfind(b"\n", 0, at) + 1) + 1
    return f"at offset {at} (line {line}, byte {column} of it)"
