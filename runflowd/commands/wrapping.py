"""How wide a terminal is, how much of it a text takes, and sentences broken between words to fit.

A path or a command to be typed is never broken: the terminal does that, so that it can be copied as a whole.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from contextlib import suppress

DEFAULT_WIDTH = 80
"""Columns of a terminal that does not say."""

_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_MARGIN = re.compile(r" *(?:-> )?")
_WORD = re.compile(r"( *)((?:\x1b\[4m.*?\x1b\[24m|[^ ])+)")
"""The space before a word, and the word; what is underlined is one."""


def terminal_width(*, err: bool = False) -> int | None:
    """Columns of the terminal that answers go to; None for a file or a pipe, whose reader cuts as it likes."""
    stream = sys.stderr if err else sys.stdout
    if not stream.isatty():
        return None
    with suppress(ValueError):
        if (named := int(os.environ.get("COLUMNS", ""))) > 0:
            return named
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or DEFAULT_WIDTH
    return DEFAULT_WIDTH


def columns_of(text: str) -> int:
    """Columns of a terminal that a text takes: two for letters of East Asia, none for a mark over another."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else not unicodedata.combining(each) for each in text)


def wrapped(text: str, width: int | None) -> str:
    """Lines of text, those that are wider broken between words; what follows stands below the first word."""
    if width is None:
        return text
    return "\n".join(part for line in text.split("\n") for part in _broken(line, width))


def _broken(line: str, width: int) -> list[str]:
    if _shown(line) <= width:
        return [line]
    margin = _MARGIN.match(line)
    assert margin is not None
    lines, first = [margin.group()], True
    indent = " " * (len(lines[0]) if len(lines[0]) <= width // 2 else 0)
    for space, word in _WORD.findall(line[margin.end() :]):
        if first or _shown(lines[-1]) + len(space) + _shown(word) <= width:
            lines[-1] += space + word
        else:
            lines.append(indent + word)
        first = False
    return lines


def _shown(text: str) -> int:
    return columns_of(_STYLE.sub("", text))
