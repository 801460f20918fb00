"""Characters that look like YAML's spaces and quotes and are none: no editor shows the difference.

Word processors, phones and web pages put them in. Within a text they are text. Where a space or a quote has a
meaning, which is before the first letter of a line, a key or a value, they are a slip.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from runflowd.core.printable import named

_SPACES = "\u00a0\u1680\u2000-\u200d\u202f\u205f\u2060\u3000\ufeff"
_QUOTES = "\u2018-\u201f"

_IN_LINE = re.compile(rf"(?:^|[:,\[{{-])\s*?([{_SPACES}{_QUOTES}])")
_IN_KEY = re.compile(rf"([{_SPACES}{_QUOTES}])")
_IN_VALUE = re.compile(rf"(?:[\w.-]+:|-)?([{_SPACES}])|([{_QUOTES}]).*[{_QUOTES}]$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Lookalike:
    """A character that was mistaken, by its place in the text, from 0."""

    index: int
    character: str

    @property
    def remedy(self) -> str:
        """What it is not, and what to write instead."""
        if re.match(f"[{_QUOTES}]", self.character):
            return "is no quote to YAML; write plain quotes"
        return "is no space to YAML; write a plain one"

    def message(self, column: int) -> str:
        """Which one it is, in which column (from 1), and what to write instead."""
        return f"{named(self.character)} in column {column} {self.remedy}"


def in_line(written: str) -> Lookalike | None:
    """The first slip in a line that is no YAML."""
    return _first(_IN_LINE.search(written))


def in_key(text: str) -> Lookalike | None:
    """The slip that a plain key begins with."""
    return _first(_IN_KEY.match(text))


def in_text(text: str) -> Lookalike | None:
    """The first slip anywhere in a text that has no place for one."""
    return _first(_IN_KEY.search(text))


def in_value(text: str) -> Lookalike | None:
    """The slip that a plain value begins with, or that kept its key from being one; or quotes around all of it."""
    return _first(_IN_VALUE.match(text))


def _first(found: re.Match[str] | None) -> Lookalike | None:
    if found is None:
        return None
    group = next(number for number in range(1, len(found.groups()) + 1) if found[number])
    return Lookalike(found.start(group), found[group])
