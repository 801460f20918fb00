"""The language of manual pages (man(7)): text that means itself, and the few requests we need."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_SPECIAL = str.maketrans(
    {"\\": r"\e", "-": r"\-", "^": r"\(ha", "~": r"\(ti", "`": r"\(ga", "'": r"\(aq", '"': r"\(dq", "|": r"|\:"}
)
_MARKED = re.compile(r"`([^`\n]+)`")


def literal(text: str) -> str:
    """Text that a formatter shows as it is: no character of it is an escape, or a printer's dash or quote."""
    return "".join(char if ord(char) < 128 else f"\\[u{ord(char):04X}]" for char in text.translate(_SPECIAL))


def prose(text: str) -> str:
    """One line in which what stands between backticks is bold."""
    parts = [literal(part) for part in _MARKED.split(text)]
    return unrequested("".join(rf"\fB{part}\fR" if place % 2 else part for place, part in enumerate(parts)))


def unrequested(line: str) -> str:
    """A line that is no request, whatever it begins with."""
    return rf"\&{line}" if line.startswith((".", "'")) else line


@dataclass
class Page:
    """A manual page under way; `text` is the whole of it."""

    name: str
    section: int
    version: str
    lines: list[str] = field(default_factory=list)

    def heading(self, words: str) -> None:
        """A section, such as DESCRIPTION."""
        self.lines.append(f'.SH "{literal(words)}"')

    def subheading(self, words: str) -> None:
        """A part of a section, such as one command."""
        self.lines.append(f'.SS "{literal(words)}"')

    def paragraph(self, text: str) -> None:
        """Words that are filled to the width of the reader's screen."""
        self.lines += [".PP", prose(" ".join(text.split()))]

    def term(self, tag: str, meaning: str) -> None:
        """A term, bold, and what it means, indented beneath it."""
        self.lines += [".TP", rf"\fB{literal(tag)}\fR", prose(" ".join(meaning.split()))]

    @property
    def text(self) -> str:
        """The source of the page."""
        title = f'.TH "{self.name.upper()}" "{self.section}" "" "runflowd {literal(self.version)}" "runflowd"'
        # No hyphenation and a ragged margin: option names stay whole.
        return "\n".join([title, ".nh", ".ad l", *self.lines, ""])
