"""The manual pages: whole, in the words of the program, and free of accidents of their language."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest

from runflowd.cli import COMMANDS, group
from runflowd.commands.exit_codes import Exit
from runflowd.commands.man import command as man
from runflowd.commands.man_format import Page, literal, prose
from runflowd.commands.manual import EXITS, pages, walk
from runflowd.config import schema

COMMANDS_PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text("utf-8")
REQUESTS = {".TH", ".SH", ".SS", ".PP", ".TP", ".nh", ".ad"}


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    """Both pages by file name."""
    return pages(group)


def read(source: str) -> str:
    """What stands in a page, without its language; every run of blanks is one."""
    plain = re.sub(r"\\f[BRI]|\\:|\\&", "", source)
    signs = {r"\(ha": "^", r"\(ti": "~", r"\(ga": "`", r"\(dq": '"', r"\(aq": "'", r"\-": "-", r"\e": "\\"}
    for sign, char in signs.items():
        plain = plain.replace(sign, char)
    return " ".join(re.sub(r"\\\[u([0-9A-F]{4,6})\]", lambda found: chr(int(found[1], 16)), plain).split())


def words(text: str) -> str:
    """Words as the pages have them."""
    return " ".join(text.replace("`", "").split())


def test_every_command_is_in_the_manual(written: dict[str, str]) -> None:
    """With its subcommands."""
    named = [line for line in written["runflowd.1"].splitlines() if line.startswith(".SS")]
    expected = [path for path, _ in walk(group)]

    assert (len(expected), []) == (
        len(named),
        [path for path in expected if f'.SS "{literal(path)}' not in "\n".join(named)],
    )
    assert set(COMMANDS) <= {path.split()[1] for path in expected}


def test_every_option_is_in_the_manual_under_its_command(written: dict[str, str]) -> None:
    """In the words of `--help`."""
    chapters = written["runflowd.1"].split(".SS ")[1:]
    lacking = []
    for (path, command), chapter in zip(walk(group), chapters, strict=True):
        context = click.Context(command, info_name=path)
        for option in command.params:
            record = option.get_help_record(context)
            if record and not all(words(part) in read(chapter) for part in record):
                lacking.append((path, record))

    assert [] == lacking


def test_every_setting_is_in_the_manual(written: dict[str, str]) -> None:
    """In the words of the schema, which are those of the models."""
    page = read(written["runflowd.yaml.5"])
    whole = schema()
    settings: list[tuple[str, Any]] = list(whole["properties"].items())
    for part in whole["$defs"].values():
        settings += part.get("properties", {}).items()

    assert [] == [name for name, setting in settings if words(setting["description"]) not in page]


def test_every_exit_code_is_explained_as_its_page_does() -> None:
    """One meaning each."""
    table = COMMANDS_PAGE.split("| Exit code |", 1)[1].split("\n\n", 1)[0]
    rows = {int(row.split("|")[1]): row.split("|")[2].strip() for row in table.splitlines()[2:]}

    assert {int(code): meaning for code, meaning in EXITS.items()} == rows
    assert set(Exit) == set(EXITS)


@pytest.mark.parametrize("name", ["runflowd.1", "runflowd.yaml.5"])
def test_only_requests_that_are_meant_begin_a_line(written: dict[str, str], name: str) -> None:
    """A leading dot or apostrophe in somebody's words would make the line vanish."""
    begun = [line for line in written[name].splitlines() if line.startswith((".", "'"))]

    assert [] == [line for line in begun if line.split()[0] not in REQUESTS]


@pytest.mark.parametrize("name", ["runflowd.1", "runflowd.yaml.5"])
def test_a_page_is_plain_ascii(written: dict[str, str], name: str) -> None:
    """Every reader shows it, whatever its locale."""
    assert written[name].isascii()


@pytest.mark.parametrize("name", ["runflowd.1", "runflowd.yaml.5"])
def test_a_page_is_formatted_without_a_warning(written: dict[str, str], name: str) -> None:
    """By the formatter that man(1) uses."""
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed here")
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", "-Tutf8"], input=written[name], capture_output=True, text=True, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (".TH is no title", ".TH is no title"),
        ("'quoted'", "'quoted'"),
        (r"a \fBbackslash\fR", r"a \fBbackslash\fR"),
        ("--all-at-once ^~", "--all-at-once ^~"),
        ('"said" and `bold`', '"said" and bold'),
        ("soft … and … wide: ß", "soft … and … wide: ß"),
    ],
)
def test_words_arrive_as_they_were_written(text: str, shown: str) -> None:
    """No character of them is taken for the page's language."""
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed here")
    page = Page("x", 1, "0")
    page.paragraph(text)
    formatting = ["groff", "-man", "-Tutf8", "-P-c", "-P-b", "-P-u", "-P-o"]
    done = subprocess.run(formatting, input=page.text, capture_output=True, text=True, check=True)

    assert shown in [line.strip() for line in done.stdout.splitlines()]


def test_a_leading_dot_is_protected() -> None:
    """Also where no formatter is installed."""
    assert (r"\&.gitignore", r"\(aqtis", r"a.b", r"\fB.x\fR") == (
        *map(prose, (".gitignore", "'tis", "a.b")),
        prose("`.x`"),
    )


def test_pages_are_placed_where_man_looks(tmp_path: Path) -> None:
    """Each in the folder of its section."""
    group.main(["man", "--folder", str(tmp_path)], prog_name="runflowd", standalone_mode=False)

    placed = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*") if path.is_file())
    assert ["man1/runflowd.1", "man5/runflowd.yaml.5"] == placed
    assert pages(group)["runflowd.1"] == (tmp_path / "man1" / "runflowd.1").read_text("utf-8")


def test_every_page_can_be_asked_for() -> None:
    """The choices are the pages."""
    kind = man.params[0].type
    assert isinstance(kind, click.Choice)

    assert list(kind.choices) == list(pages(group))
