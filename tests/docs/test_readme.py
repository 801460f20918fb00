"""The README tells the truth: its promise and its links; so does the page of the commands and their exit codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runflowd.cli import COMMANDS
from runflowd.commands.exit_codes import Exit

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS_PAGE = (ROOT / "docs" / "commands.md").read_text("utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

PROMISE = (
    "Every file that comes to rest in a watched folder is bought at most once per content and recipe, and ends as a "
    "complete result or as a failure with a reason. No crash, restart, lost event, lost or doubled callback, or bad "
    "edit of the YAML changes that. Where the outcome of a purchase cannot be known, runflowd stops and asks."
)


def _first_cells(heading: str) -> list[str]:
    """The first cell of each row of the table under a heading of its own."""
    table = COMMANDS_PAGE.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    return [line.split("|")[1].strip().strip("`") for line in table.splitlines()[2:]]


def test_the_promise_is_made() -> None:
    """Word for word, on one line."""
    assert PROMISE in README.splitlines()


def test_it_is_short() -> None:
    """Who wants to try it reads all of it."""
    assert len(README.splitlines()) < 150


def test_every_command_is_listed() -> None:
    """The table has the commands that exist, in the order of `--help`."""
    assert list(COMMANDS) == _first_cells("Command")


def test_every_exit_code_is_listed() -> None:
    """The table has the codes that exist."""
    assert [str(int(code)) for code in Exit] == _first_cells("Exit code")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and picture is there."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8"))

    assert [] == [link for link in links if "://" not in link and not (page.parent / link).exists()]


def test_every_page_is_in_the_index() -> None:
    """docs/README.md names each page beside it."""
    index = (ROOT / "docs" / "README.md").read_text("utf-8")

    assert [] == [
        page.name for page in (ROOT / "docs").glob("*.md") if page.name != "README.md" and page.name not in index
    ]


def test_the_picture_is_small() -> None:
    """A clone should not be heavy."""
    assert (ROOT / "docs" / "before-after.png").stat().st_size < 300_000
