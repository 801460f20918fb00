"""A part of a file's name as a pattern over the bytes of names, whatever the case of its letters.

Names are bytes, which may be no text, and SQLite and PostgreSQL fold letters differently, so neither is asked to: a
pattern has each letter in the cases that Unicode gives it, and means the same to Python's `re` and to PostgreSQL.
"""

from __future__ import annotations

import re

_PLAIN = re.compile(r"\w", re.ASCII)

_NO_NAME = "/"
"""No name has a slash, or what it stands for here."""


def name_pattern(part: str) -> str:
    """A regular expression whose letters stand for bytes (Latin-1); "" for a part that every name has.

    Bytes that are no text are meant by themselves, as `os.fsdecode` gives them.
    """
    return "".join(_letter(letter) for letter in part.replace("\0", _NO_NAME))


def _letter(letter: str) -> str:
    cases = {letter, letter.lower(), letter.upper(), letter.casefold(), letter.upper().lower()}
    written = sorted("".join(map(_byte, case.encode("utf-8", "surrogateescape"))) for case in cases)
    return written[0] if len(written) == 1 else f"(?:{'|'.join(written)})"


def _byte(value: int) -> str:
    found = chr(value)
    return found if value >= 0x80 or _PLAIN.match(found) else f"\\{found}"
