"""YAML text to plain data, strictly, with the line and column of everything in it.

What JSON calls a number is a number, `true`, `false` and `null` (and empty) are what they say, and
every other plain scalar is text: `no`, `on`, `1:30`, `0644`, `1_000`, dates. Keys are always text.
Duplicate keys, tags, several documents and aliases that grow without end are refused. `<<` merges.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runflowd.config.yaml import MAX_BYTES
from runflowd.config.yaml.events import Path, Position, Reader
from runflowd.core.printable import named
from runflowd.errors import ConfigError, Problem

if TYPE_CHECKING:
    from runflowd.core.model import Json


@dataclass(frozen=True, slots=True)
class Source:
    """Plain data and where each part of it was written; lines and columns count from 1."""

    file: str
    data: Json
    _values: dict[Path, Position] = field(repr=False)
    _keys: dict[Path, Position] = field(repr=False)

    def position(self, path: Path) -> Position:
        """Where the value at `path` begins; for a path that is not there, the nearest key above it."""
        if path in self._values:
            return self._values[path]

        return self.key_position(path)

    def key_position(self, path: Path) -> Position:
        """Where the key that leads to `path` is written, or the nearest one above it."""
        for length in range(len(path), 0, -1):
            known = self._keys.get(path[:length]) or self._values.get(path[:length])
            if known:
                return known

        return (1, 1)


def load_bytes(content: bytes, file: str) -> Source:
    """As `load_text`, for the raw content of a file; what is not UTF-8 is a ConfigError too."""
    if len(content) > MAX_BYTES:
        raise _refused(file, (0, 0), f"is larger than {MAX_BYTES} bytes")
    try:
        return load_text(content.decode("utf-8-sig"), file)
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        raise _refused(file, (line, column), "is not UTF-8; save the file as UTF-8") from None


def load_text(text: str, file: str) -> Source:
    """Given YAML text and the name to report, return its data; raise ConfigError with every problem.

    A syntax error ends the reading, so only what stands before it is judged with it.
    """
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        raise _refused(file, (0, 0), f"is larger than {MAX_BYTES} bytes")
    if unusable := _UNUSABLE.search(text):
        raise _refused(file, _place(text, unusable.start()), f"holds the character {named(unusable[0])}; remove it")

    reader = Reader(text, file)
    data = reader.document()
    if reader.problems:
        raise ConfigError(tuple(sorted(reader.problems, key=lambda problem: (problem.line, problem.column))))

    return Source(file, data, reader.values, reader.keys)


# What YAML 1.2 calls printable leaves these out (chapter 5.1).
_UNUSABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


def _place(text: str, index: int) -> Position:
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    line = bisect_right(starts, index)

    return line, index - starts[line - 1] + 1


def _refused(file: str, position: Position, message: str) -> ConfigError:
    return ConfigError((Problem(file, *position, "", message),))
