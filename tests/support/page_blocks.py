"""The fenced blocks of the documents, with the marks that say how each is tried.

A fence begins with a language and its marks: "sh root", "yaml part". A language or a mark that is not in
`MARKS` is a mistake, so that no block goes untried because of a typo.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

MARKS: dict[str, dict[str, str]] = {
    "sh": {
        "root": "executed as root, on a machine of its own",
        "network": "wants the internet: held against the commands and options that exist",
        "daemon": "its last command is a daemon, that is started, used and stopped",
        "asks": "asks for a password at a terminal: held against the commands and options that exist",
        "elsewhere": "needs files in a certain state: a test of those commands tries them",
        "slow": "takes minutes: held against the commands and options that exist",
    },
    "yaml": {
        "part": "a configuration that lacks `service` or `rules`",
        "_runflow.yaml": "for people who only see the share",
        "prometheus": "alerting rules",
    },
    "ini": {"drop-in": "an addition to runflowd.service"},
    "json": {},
    "nginx": {},
    "caddyfile": {},
    "text": {},
}
"""Every language that is known, with its marks and what they mean."""


@dataclass(frozen=True)
class Block:
    """One fenced block; `line` is that of its first line of text, `heading` the one it stands under."""

    page: Path
    line: int
    heading: str
    language: str
    marks: frozenset[str]
    text: str

    @property
    def name(self) -> str:
        """For the names of tests and for messages."""
        return f"{self.page.name}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """Every block of all pages in their order, of these languages or of all."""
    found = [block for page in PAGES for block in blocks_of(page)]
    return [block for block in found if not languages or block.language in languages]


def blocks_of(page: Path) -> list[Block]:
    """The blocks of one page; a fence that is not closed is an error."""
    return parsed(page, page.read_text("utf-8"))


def parsed(page: Path, text: str) -> list[Block]:
    """The blocks of a text that stands for a page."""
    found: list[Block] = []
    heading, fence, begun, lines = "", None, 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if fence is not None:
            if line.strip() != "```":
                lines.append(line)
                continue
            language, *marks = fence.split() or [""]
            block = textwrap.dedent("\n".join(lines)) + "\n"
            found.append(Block(page, begun, heading, language, frozenset(marks), block))
            fence = None
        elif opened := re.match(r"\s*(?:```|~~~)(.*)$", line):
            fence, begun, lines = opened[1], number + 1, []
        elif titled := re.match(r"#+ (.+)$", line):
            heading = titled[1]
    assert fence is None, f"{page.name}:{begun}: the fence is never closed"
    return found


def unknown_marks(block: Block) -> list[str]:
    """What a fence says that nobody understands."""
    if block.language not in MARKS:
        return [block.language or "no language"]
    return sorted(block.marks - MARKS[block.language].keys())
