"""A part of a file's name as a pattern over the bytes of names, whatever the case of its letters.

Names are bytes, which may be no text, and SQLite and PostgreSQL fold letters differently, so neither is asked to: a
pattern has all that Unicode folds to the same, `ß` for `SS` too, and means the same to Python's `re` and to PostgreSQL.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache, lru_cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Readings: TypeAlias = "list[dict[int, set[str]]]"
"""For each place of a part, the letters that say just what stands there, by how many of its letters they say."""

_PLAIN = re.compile(r"\w", re.ASCII)

_NO_NAME = "/"
"""No name has a slash, or what it stands for here."""

_LAST_LETTER = 0x20000
"""Behind it no letter has a case."""

_LONGEST_KNOT = 8
"""Letters that are read together, at most: of a row of `s` each pair may be an `ß`, in ever more ways."""


def name_pattern(part: str) -> str:
    """A regular expression whose letters stand for bytes (Latin-1); "" for a part that every name has.

    Bytes that are no text are meant by themselves, as `os.fsdecode` gives them.
    """
    readings = _readings(part.replace("\0", _NO_NAME).casefold())
    pattern, place = "", 0
    while place < len(readings):
        end = _end_of_knot(readings, place)
        pattern += _ways(readings, place, end)
        place = end
    return pattern


def has_name(path: str, part: str) -> bool:
    """Whether the last name of a path has this part in it."""
    return not part or _compiled(part).search(_encoded(path.rpartition("/")[2])) is not None


@lru_cache(maxsize=16)
def _compiled(part: str) -> re.Pattern[bytes]:
    return re.compile(name_pattern(part).encode("latin-1"))


def _readings(folded: str) -> Readings:
    """How a part in folded letters may be written.

    At its ends there may be a piece of what one letter folds to: `stras` is in `straße`, as it is in `strasse`.
    """
    found: Readings = [{1: {letter, letter.upper(), *_by_fold().get(letter, ())}} for letter in folded]
    for whole in (each for each in _by_fold() if len(each) > 1):
        for place in range(1 - len(whole), len(folded)) if folded else ():
            start, end = max(place, 0), min(place + len(whole), len(folded))
            if folded[start:end] == whole[start - place : end - place]:
                found[start].setdefault(end - start, set()).update(_by_fold()[whole])
    return found


@cache
def _by_fold() -> dict[str, list[str]]:
    """The letters that fold to others, by what they fold to."""
    found: dict[str, list[str]] = defaultdict(list)
    for letter in map(chr, range(_LAST_LETTER)):
        if (folded := letter.casefold()) != letter:
            found[folded].append(letter)
    return dict(found)


def _end_of_knot(readings: Readings, start: int) -> int:
    """Where letters end that are to be read together, since there are readings from one of them into the next."""
    end, place = start + 1, start
    while place < end:
        end = max(end, place + max(readings[place]))
        place += 1
    return min(end, start + _LONGEST_KNOT)


def _ways(readings: Readings, place: int, end: int) -> str:
    """Every way to write what stands between two places."""
    if place == end:
        return ""
    return _any_of(
        _any_of(map(_bytes, letters)) + _ways(readings, place + length, end)
        for length, letters in readings[place].items()
        if place + length <= end
    )


def _any_of(patterns: Iterable[str]) -> str:
    first, *others = sorted(patterns)
    return f"(?:{'|'.join([first, *others])})" if others else first


def _bytes(letters: str) -> str:
    return "".join(map(_byte, _encoded(letters)))


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _byte(value: int) -> str:
    found = chr(value)
    return found if value >= 0x80 or _PLAIN.match(found) else f"\\{found}"
