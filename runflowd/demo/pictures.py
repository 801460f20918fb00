"""Pictures for the contact sheet: fitted into a box, transparency shown on a checkerboard."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

if TYPE_CHECKING:
    from pathlib import Path

LIGHT, DARK = (255, 255, 255), (223, 226, 230)
"""The two greys of the checkerboard."""

SQUARE = 12
"""Pixels of one field of the checkerboard."""


def fitted(path: Path, width: int, height: int) -> Image.Image:
    """The picture as large as it fits into the box, upright, in RGB."""
    with Image.open(path) as opened:
        upright = ImageOps.exif_transpose(opened)
        upright.thumbnail((width, height), Image.Resampling.LANCZOS)
        return on_checkerboard(upright)


def on_checkerboard(picture: Image.Image) -> Image.Image:
    """The picture in RGB; where it is transparent, a checkerboard shows."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    solid = picture.convert("RGBA")
    ground = checkerboard(*solid.size).convert("RGBA")
    return Image.alpha_composite(ground, solid).convert("RGB")


def checkerboard(width: int, height: int) -> Image.Image:
    """A checkerboard of this size in pixels."""
    board = Image.new("RGB", (width, height), LIGHT)
    for top in range(0, height, SQUARE):
        for left in range(top // SQUARE % 2 * SQUARE, width, 2 * SQUARE):
            board.paste(DARK, (left, top, min(left + SQUARE, width), min(top + SQUARE, height)))
    return board


def data_url(picture: Image.Image) -> str:
    """The picture as part of a page: a JPEG in a `data:` URL."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=86, optimize=True)
    return _data_url(stream.getvalue(), "image/jpeg")


def embedded(path: Path, mime: str) -> str:
    """A whole file of this MIME type as part of a page."""
    return _data_url(path.read_bytes(), mime)


def _data_url(data: bytes, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
