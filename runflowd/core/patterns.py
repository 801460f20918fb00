"""Patterns of .gitignore (`*.jpg`, `shoes/**`, `/top.png`), one line each and many as one question.

They are read without regard to case because cameras write `IMG_1.JPG`. A pattern without a slash
matches a file or folder of that name at any depth.

One rescan asks about every file of a tree, so the common shapes (`**/*`, `*.jpg`, `name`, `.*`) are
answered by string comparison and only the rest by regular expression.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from pathspec.patterns.gitignore import GitIgnorePatternError
from pathspec.patterns.gitignore.basic import GitIgnoreBasicPattern

if TYPE_CHECKING:
    from collections.abc import Sequence


# What stands for nothing in a pattern of .gitignore and would silently match no file.
_REGULAR_EXPRESSION = re.compile(r"\\[.dws]|^!?\^|^!?\.\*.*\$$|\(.*\|.*\)|\]\+")


class PatternError(ValueError):
    """A pattern that could not mean what its author hoped; the text says what to write instead."""


class Shape(StrEnum):
    """How a pattern is answered: most by comparing the last part of the path with some text."""

    ALL = "all"
    SUFFIX = "suffix"
    PREFIX = "prefix"
    NAME = "name"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line of gitignore, lower-cased. `text` serves the three shapes that compare text."""

    line: str
    positive: bool
    shape: Shape
    text: str
    regex: re.Pattern[str]
    parts: tuple[str, ...] = ()
    """The line between its slashes, lower-cased and without escapes."""

    def names(self, other: Pattern) -> bool:
        """Whether this pattern spells out what the other is about: its name, its suffix, or how its names begin."""
        match other.shape:
            case Shape.NAME:
                return other.text in self.parts
            case Shape.SUFFIX:
                return any(part.endswith(other.text) for part in self.parts)
            case Shape.PREFIX:
                return any(part.startswith(other.text) for part in self.parts)
            case _:
                return any(part in other.parts for part in self.parts)

    def owns(self, path: str, name: str) -> bool:
        """Whether the lower-cased path (a folder's ends in a slash) matches by itself, not by a parent."""
        match self.shape:
            case Shape.ALL:
                return True
            case Shape.SUFFIX:
                return name.endswith(self.text)
            case Shape.PREFIX:
                return name.startswith(self.text)
            case Shape.NAME:
                return name == self.text
            case Shape.REGEX:
                found = self.regex.match(path)
                return found is not None and found.end() == len(path)


@lru_cache(maxsize=4096)  # the check of a configuration reads it, then its rule does; again after each reload
def pattern(line: str) -> Pattern:
    """Given one include or exclude line, return its pattern; raise PatternError with the remedy."""
    if not line.strip():
        raise PatternError("is empty; remove it or write a pattern such as **/*.jpg")
    if "{" in line and "}" in line:
        raise PatternError("has braces, which stand for themselves; write one pattern per line instead")
    if line.startswith("#"):
        raise PatternError("starts with #, which makes it a comment; write \\# for a plain #")

    if _REGULAR_EXPRESSION.search(line):
        raise PatternError("is a regular expression; patterns are those of .gitignore, such as *.jpg or shoes/**")

    lowered = line.lower()
    try:
        text, positive = GitIgnoreBasicPattern.pattern_to_regex(lowered)
        regex = re.compile(str(text), re.DOTALL)
    except (GitIgnorePatternError, re.error) as error:
        raise PatternError("is no valid pattern; see the pattern format of gitignore") from error
    bare = lowered.removeprefix("!")
    shape, rest = _shape(bare)
    parts = tuple(re.sub(r"\\(.)", r"\1", part) for part in bare.split("/") if part)

    return Pattern(line, bool(positive), shape, rest, regex, parts)


def _shape(line: str) -> tuple[Shape, str]:
    core = line.removeprefix("**/")
    if core in {"*", "**"}:
        return Shape.ALL, ""
    if any(char in core for char in "/[]?\\") or core != core.strip() or core.count("*") > 1:
        return Shape.REGEX, ""
    if core.startswith("*"):
        return Shape.SUFFIX, core[1:]
    if core.endswith("*"):
        return Shape.PREFIX, core[:-1]

    return (Shape.REGEX, "") if "*" in core else (Shape.NAME, core)


class Patterns:
    """A list of patterns as one question about one entry of a folder, the last match deciding."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = tuple(patterns)
        self._ordered = not all(each.positive for each in patterns)
        self._everything = any(each.shape is Shape.ALL for each in patterns)
        self._suffixes = tuple(each.text for each in patterns if each.shape is Shape.SUFFIX)
        self._prefixes = tuple(each.text for each in patterns if each.shape is Shape.PREFIX)
        self._names = frozenset(each.text for each in patterns if each.shape is Shape.NAME)
        self._others = tuple(each for each in patterns if each.shape is Shape.REGEX)
        self._any_other = re.compile("|".join(f"(?:{each.regex.pattern})" for each in self._others), re.DOTALL)

    def owns(self, path: str, name: str) -> bool:
        """Whether the lower-cased path (a folder's ends in a slash) matches by itself, not by a parent."""
        if self._ordered:
            return self.deciding(path, name) is not None
        if self._everything or name in self._names:
            return True
        if name.endswith(self._suffixes) or name.startswith(self._prefixes):
            return True

        # One expression for all tells quickly that none matches, which is the usual answer.
        if not self._others or self._any_other.match(path) is None:
            return False

        return any(each.owns(path, name) for each in self._others)

    def all_of(self, path: str, name: str) -> tuple[Pattern, ...]:
        """Every pattern that matches the path by itself, in their order."""
        return tuple(each for each in self._patterns if each.owns(path, name))

    def deciding(self, path: str, name: str) -> Pattern | None:
        """The pattern by which `owns` says yes, or None."""
        for each in reversed(self._patterns):
            if each.owns(path, name):
                return each if each.positive else None

        return None
