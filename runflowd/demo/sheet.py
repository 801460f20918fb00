"""The contact sheet as one PNG: every file beside its result, rows of equal cells, captions below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from runflowd.core.printable import printable
from runflowd.demo.stills import still

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runflowd.demo.shots import Shot

COLUMNS = 4
PICTURE = 232
"""Pixels of the square that a file, or a result, is fitted into."""
GAP, MARGIN, GUTTER = 6, 40, 32
CAPTION = 84
HEADER = 104

CELL = 2 * PICTURE + GAP
PITCH = CELL + GUTTER
ROW = PICTURE + CAPTION + 20

PAPER, MAT, INK, FADED, ACCENT = "#ffffff", "#f1f2f4", "#1b1f24", "#68707a", "#0b6e4f"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, so that the sheet looks the same on every machine."""
    return ImageFont.load_default(size)


def draw_sheet(shots: Sequence[Shot], title: str, subtitle: str) -> Image.Image:
    """The sheet of all shots, row by row."""
    columns = max(1, min(COLUMNS, len(shots)))
    rows = max(1, -(-len(shots) // columns))
    width = 2 * MARGIN + columns * PITCH - GUTTER
    sheet = Image.new("RGB", (max(width, 2 * MARGIN + 900), HEADER + rows * ROW + MARGIN - 20), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, 30), title, font=_font(30), fill=INK)
    draw.text((MARGIN, 68), subtitle, font=_font(17), fill=FADED)
    for index, shot in enumerate(shots):
        row, column = divmod(index, columns)
        _draw_shot(sheet, shot, MARGIN + column * PITCH, HEADER + row * ROW)
    return sheet


def save_sheet(sheet: Image.Image, path: Path) -> None:
    """Write the sheet as a PNG."""
    sheet.save(path, "PNG", optimize=True)


def _draw_shot(sheet: Image.Image, shot: Shot, left: int, top: int) -> None:
    draw = ImageDraw.Draw(sheet)
    for place, path in enumerate((shot.before, shot.after)):
        x = left + place * (PICTURE + GAP)
        draw.rectangle((x, top, x + PICTURE - 1, top + PICTURE - 1), fill=MAT)
        picture = still(path, PICTURE, PICTURE)
        sheet.paste(picture, (x + (PICTURE - picture.width) // 2, top + (PICTURE - picture.height) // 2))
    _arrow(draw, left + PICTURE + GAP // 2, top + PICTURE // 2)
    below = top + PICTURE + 8
    lines = ((f"{shot.rule}/{shot.file}", 18, INK), (shot.model, 15, ACCENT), (shot.asked, 15, FADED))
    for (text, size, colour), offset in zip(lines, (0, 25, 46), strict=True):
        draw.text((left, below + offset), shortened(draw, printable(text), size), font=_font(size), fill=colour)


def shortened(draw: ImageDraw.ImageDraw, text: str, size: int) -> str:
    """The text, cut at its end until it is no wider than a cell."""
    font = _font(size)
    if draw.textlength(text, font=font) <= CELL:
        return text
    while text and draw.textlength(f"{text}\u2026", font=font) > CELL:
        text = text[:-1]
    return f"{text}\u2026"


def _arrow(draw: ImageDraw.ImageDraw, x: int, y: int) -> None:
    """A small disc with an arrow on the border between before and after."""
    draw.ellipse((x - 15, y - 15, x + 15, y + 15), fill=PAPER)
    draw.line((x - 7, y, x + 5, y), fill=INK, width=2)
    draw.line((x, y - 5, x + 6, y, x, y + 5), fill=INK, width=2, joint="curve")
