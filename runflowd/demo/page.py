"""The contact sheet as one HTML file, with whole videos and sounds in it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from runflowd.core.printable import printable
from runflowd.demo.contact_page import contact_page
from runflowd.demo.pictures import data_url, embedded, fitted
from runflowd.demo.stills import SOUNDS, TEXTS, VIDEOS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runflowd.demo.shots import Shot

PICTURE = 520
"""Pixels of the longer side of an embedded picture: sharp on dense screens."""


def draw_page(shots: Sequence[Shot], title: str, subtitle: str) -> str:
    """The page of all shots, a section for each rule."""
    sections = [
        {"rule": rule, "model": model, "figures": [_figure(shot) for shot in group]}
        for (rule, model), group in groupby(shots, key=lambda shot: (shot.rule, shot.model))
    ]
    return contact_page(sections, title, subtitle)


def _figure(shot: Shot) -> dict[str, Any]:
    sides = [
        {"when": when, "link": "", **_shown(path)} for when, path in (("before", shot.before), ("after", shot.after))
    ]
    return {"file": printable(shot.file), "asked": printable(shot.asked), "sides": sides}


def _shown(path: Path) -> dict[str, str]:
    """What stands for a file in the page: the tag's kind, and its address or its words."""
    suffix = path.suffix.lower()
    if suffix in TEXTS:
        return {"kind": "text", "text": printable(path.read_text("utf-8"))}
    if suffix in VIDEOS:
        return {"kind": "video", "url": embedded(path, VIDEOS[suffix])}
    if suffix in SOUNDS:
        return {"kind": "audio", "url": embedded(path, SOUNDS[suffix])}
    return {"kind": "image", "url": data_url(fitted(path, PICTURE, PICTURE))}
