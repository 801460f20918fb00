"""The contact sheet as one HTML file that needs nothing else: no script, no network."""

from __future__ import annotations

from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined

from runflowd.core.printable import printable
from runflowd.demo.pictures import data_url, fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runflowd.demo.shots import Shot

PICTURE = 520
"""Pixels of the longer side of an embedded picture: sharp on dense screens."""


def draw_page(shots: Sequence[Shot], title: str, subtitle: str) -> str:
    """The page of all shots, a section for each rule."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((resources.files("runflowd.demo") / "page.html").read_text("utf-8"))
    sections = [
        {"rule": rule, "model": model, "figures": [_figure(shot) for shot in group]}
        for (rule, model), group in groupby(shots, key=lambda shot: (shot.rule, shot.model))
    ]
    return template.render(title=title, subtitle=subtitle, sections=sections)


def _figure(shot: Shot) -> dict[str, Any]:
    pictures = [fitted(path, PICTURE, PICTURE) for path in (shot.before, shot.after)]
    return {
        "file": printable(shot.file),
        "asked": printable(shot.asked),
        "before": data_url(pictures[0]),
        "after": data_url(pictures[1]),
    }
