"""Tables of text that fit their terminal: as columns, folded where they are long, or with one value a line.

Made of text alone, for commands that must be quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runflowd.commands.wrapping import columns_of, terminal_width
from runflowd.core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

GAP = "  "

SHORT = 12
"""Columns of a terminal that every value gets whole; a longer one is folded, if need be to so many."""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Collection[str] = ()) -> Iterator[str]:
    """Lines of a table, foreign text made fit to show; the columns in `numbers` are aligned to the right."""
    cells = [[printable(cell) for cell in row] for row in rows]
    lines = laid_out([list(columns), *cells], [name in numbers for name in columns], terminal_width())
    for place, line in enumerate(lines):
        yield click.style(line, bold=True) if place == 0 and cells else line


def laid_out(rows: list[list[str]], right: Sequence[bool], width: int | None) -> list[str]:
    """The lines of a table whose first row is its head; none is wider than `width`, unless that is very little."""
    natural = [max(map(columns_of, column)) for column in zip(*rows, strict=True)]
    widths = _fitted(natural, None if width is None else width - len(GAP) * (len(natural) - 1))
    if widths is None:
        assert width is not None
        return _one_a_line(rows, width)
    lines: list[str] = []
    for row in rows:
        folded = [fold(cell, room) for cell, room in zip(row, widths, strict=True)]
        for place in range(max(map(len, folded))):
            parts = [each[place] if place < len(each) else "" for each in folded]
            padded = (_padded(*each) for each in zip(parts, widths, right, strict=True))
            lines.append(GAP.join(padded).rstrip())
    return lines


def _fitted(natural: list[int], room: int | None) -> list[int] | None:
    """The width of each column: long ones share what the short ones leave. None if that would be too little."""
    if room is None or sum(natural) <= room:
        return natural
    widths = [each if each <= SHORT else 0 for each in natural]
    left = room - sum(widths)
    long = sorted((place for place, each in enumerate(natural) if each > SHORT), key=natural.__getitem__)
    if left < SHORT * len(long):
        return None
    for done, place in enumerate(long):
        widths[place] = min(natural[place], left // (len(long) - done))
        left -= widths[place]
    return widths


def _one_a_line(rows: list[list[str]], width: int) -> list[str]:
    """Each row as lines of a name and a value, those without a value left out."""
    names, *values = rows
    margin = max(map(columns_of, names)) + len(GAP)
    lines: list[str] = []
    for number, row in enumerate(values):
        lines += [""] if number else []
        for name, value in zip(names, row, strict=True):
            for place, part in enumerate(fold(value, max(SHORT, width - margin)) if value else []):
                lines.append(_padded("" if place else name, margin, to_right=False) + part)
    return lines or [GAP.join(names)]


def fold(text: str, width: int) -> list[str]:
    """A text as lines of so many columns, broken between words where that leaves half of a line."""
    lines, start, used, space = [], 0, 0, -1
    for place, letter in enumerate(text):
        wide = columns_of(letter)
        if used + wide > width:
            end = space if space - start >= width // 2 else place
            lines.append(text[start:end].rstrip(" "))
            start = end + (text[end] == " ")
            used, space = columns_of(text[start:place]), -1
        used += wide
        space = place if letter == " " else space
    return [*lines, text[start:]]


def _padded(text: str, width: int, to_right: bool) -> str:
    space = " " * (width - columns_of(text))
    return space + text if to_right else text + space
