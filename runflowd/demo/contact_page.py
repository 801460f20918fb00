"""The page of a contact sheet: one HTML file that needs nothing else, no script and no network."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined

if TYPE_CHECKING:
    from collections.abc import Sequence


def contact_page(sections: Sequence[dict[str, Any]], title: str, subtitle: str) -> str:
    """The page of these sections, each a rule with its figures: a file, what was asked, and its two sides."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((resources.files("runflowd.demo") / "page.html").read_text("utf-8"))
    return template.render(title=title, subtitle=subtitle, sections=sections)
