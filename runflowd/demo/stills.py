"""One picture for any file of the contact sheet: a moment of a video, the shape of a sound, the words of a text."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from runflowd.core.printable import printable
from runflowd.demo.pictures import fitted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VIDEOS = {".mp4": "video/mp4", ".webm": "video/webm", ".mov": "video/quicktime"}
SOUNDS = {".mp3": "audio/mpeg", ".wav": "audio/wav", ".ogg": "audio/ogg", ".flac": "audio/flac"}
TEXTS = frozenset({".txt", ".md", ".json"})

BARS = 48
"""Bars in the drawing of a sound."""

PAPER, INK, ACCENT = "#f1f2f4", "#1b1f24", "#0b6e4f"


def still(path: Path, width: int, height: int) -> Image.Image:
    """The picture of a file, as large as it fits into the box."""
    suffix = path.suffix.lower()
    if suffix in TEXTS:
        return _words(path.read_text("utf-8"), width, height)
    if suffix in VIDEOS:
        return _marked(_moment(path), width, height)
    if suffix in SOUNDS:
        return _drawn(_loudness(path), width, height)
    return fitted(path, width, height)


def _moment(path: Path) -> Image.Image:
    """The frame in the middle of a video."""
    import av  # noqa: PLC0415  the extra `video`: who has a video has it

    with av.open(str(path)) as container:
        middle = container.streams.video[0].frames // 2
        found: Image.Image = next(frame for n, frame in enumerate(container.decode(video=0)) if n >= middle).to_image()
        return found


def _marked(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The picture in the box, under the sign that says that it plays."""
    picture.thumbnail((width, height), Image.Resampling.LANCZOS)
    draw, x, y = ImageDraw.Draw(picture, "RGBA"), picture.width / 2, picture.height / 2
    draw.ellipse((x - 24, y - 24, x + 24, y + 24), fill=(255, 255, 255, 200))
    draw.polygon(((x - 8, y - 13), (x - 8, y + 13), (x + 14, y)), fill=INK)
    return picture


def _loudness(path: Path) -> list[float]:
    """How loud a sound is in each of `BARS` equal parts, 0 to 1; even where nothing here can read it."""
    try:
        import av  # noqa: PLC0415  the extra `video`, without which a sound is made and heard all the same
    except ModuleNotFoundError:
        return [0.4] * BARS
    import numpy as np  # noqa: PLC0415

    with av.open(str(path)) as container:
        parts = [frame.to_ndarray().mean(axis=0) for frame in container.decode(audio=0)]
    sound = np.abs(np.concatenate(parts).astype(np.float32))
    loud = [float(part.mean()) for part in np.array_split(sound, BARS)]
    return [each / (max(loud) or 1.0) for each in loud]


def _drawn(loudness: Sequence[float], width: int, height: int) -> Image.Image:
    picture = Image.new("RGB", (width, height), PAPER)
    draw, step = ImageDraw.Draw(picture), width / (len(loudness) + 4)
    for place, loud in enumerate(loudness):
        x, half = (place + 2.5) * step, max(2.0, loud * height * 0.3)
        draw.line((x, height / 2 - half, x, height / 2 + half), fill=ACCENT, width=max(1, int(step * 0.6)))
    return picture


def _words(text: str, width: int, height: int) -> Image.Image:
    picture, font = Image.new("RGB", (width, height), PAPER), ImageFont.load_default(16)
    lines = [line for each in text.splitlines() for line in textwrap.wrap(printable(each), 25) or [""]]
    shown = lines[: height // 22 - 1]
    ImageDraw.Draw(picture).multiline_text((14, 12), "\n".join(shown), font=font, fill=INK, spacing=5)
    return picture
