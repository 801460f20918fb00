"""What commands print on a terminal: tables that fit it, and commands without backticks; in a pipe all as it is."""

from __future__ import annotations

import json
import os
import pty
import re
import struct
import subprocess
from fcntl import ioctl
from termios import TIOCSWINSZ
from typing import TYPE_CHECKING

import pytest
from command_line import RUNFLOWD
from daemon_process import picture
from hypothesis import given
from hypothesis import strategies as st

from runflowd.commands.plain_table import fold, laid_out
from runflowd.commands.wrapping import columns_of, wrapped

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import Desk

NAMES = (
    "plain.jpg",
    "a folder of many words/a rather long name of a picture that was taken on a Monday.jpg",
    "x" * 150 + ".jpg",
    "\u5199\u771f" * 20 + ".jpg",
    "esc\x1b[31m.jpg",
    "a `quoted` name.jpg",
)
STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
QUOTED = re.compile(r"\x1b\[4m.*?\x1b\[24m")


def on_a_terminal(desk: Desk, columns: int, *arguments: str) -> str:
    """What a command prints on a terminal of so many columns, without colours."""
    return STYLE.sub("", styled(desk, columns, *arguments))


def styled(desk: Desk, columns: int, *arguments: str) -> str:
    """The same with colours."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in desk.environment().items() if name != "COLUMNS"}
    process = subprocess.Popen(
        [*RUNFLOWD, *arguments], cwd=desk.folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the terminal of a process that has ended
            break
        said += part
    os.close(ours)
    assert process.wait() in {0, 2, 3}, said
    return said.decode().replace("\r\n", "\n")


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk with hostile and long names, done, failed and paused."""
    from command_line import Desk

    made = Desk(tmp_path_factory.mktemp("desk"))
    made.configure(
        rules={"one": made.rule(review="after"), "a-rather-long-name-of-a-rule": made.rule(watch="in2", output="out2")}
    )
    for name in NAMES:
        place: Path = made.input / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(picture())
    web = {"listen": "127.0.0.1:8787", "users_file": str(made.folder / "users")}
    made.config.write_text(json.dumps(json.loads(made.config.read_text()) | {"web": web}))
    made.call("user", "add", "somebody.with.a.long.name@example.com", "--may", "see", "--no-password")
    (made.input / "broken.jpg").write_text("no picture")
    assert made.run("sync").code == 3
    made.call("pause", "one", "--reason", "for long")
    return made


COMMANDS = (
    "list",
    "review",
    "status",
    "check",
    "plan",
    "logs broken.jpg",
    "spend",
    "spend --by folder",
    "hosts",
    "user list",
    "state copy --dry-run --to other.db",
    "sync",
    "resume nonesuch",
)


@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_printed_fits_the_terminal(sold: Desk, command: str, columns: int) -> None:
    """No line is wider, of tables and sentences, whatever the names; but for one path or one command, to be copied."""
    said = styled(sold, columns, *command.split(" "))
    lines = [STYLE.sub("", QUOTED.sub(_one_word, line.rpartition("\r")[2])) for line in said.split("\n")]

    assert [] == [line for line in lines if columns_of(line) > columns and " " in line.strip().removeprefix("-> ")]
    assert "\x1b[31mesc" not in said


def _one_word(quoted: re.Match[str]) -> str:
    return "x" * columns_of(STYLE.sub("", quoted.group()))


@pytest.mark.parametrize("columns", [80, 40])
def test_the_hosts_fit_the_terminal(desk: Desk, columns: int) -> None:
    """One value a line where their table is too wide."""
    desk.configure()
    desk.start("run")
    desk.wait_for("daemon.ready")

    said = on_a_terminal(desk, columns, "hosts")

    assert (columns, True) == (max(columns, *map(columns_of, said.split("\n"))), "batches" in said), said


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("one two three four", ["one two three", "four"]),
        ("  one two three four", ["  one two", "  three four"]),
        ("  -> one two three", ["  -> one two", "     three"]),
        ("to/a/very-long-name.jpg of it", ["to/a/very-long-name.jpg", "of it"]),
        ("say \x1b[4mrunflowd rerun it\x1b[24m, now", ["say", "\x1b[4mrunflowd rerun it\x1b[24m,", "now"]),
        ("a     column", ["a     column"]),
    ],
)
def test_a_sentence_is_broken_between_words_alone(line: str, lines: list[str]) -> None:
    """Fourteen columns; what is to be copied stays whole, and what follows stands below the first word."""
    assert lines == wrapped(line, 14).split("\n")


def test_what_is_quoted_is_shown_as_it_is_to_be_typed(sold: Desk) -> None:
    """Underlined, without its quotes, which a pipe keeps; a name keeps its own."""
    shown, piped = on_a_terminal(sold, 80, "status"), sold.call("status").out
    listed = on_a_terminal(sold, 200, "list")

    assert ("wait for review: runflowd review", "wait for review: `runflowd review`") == (
        re.search("wait for review:.*", shown)[0],  # type: ignore[index]
        re.search("wait for review:.*", piped)[0],  # type: ignore[index]
    )
    assert "a `quoted` name.jpg" in listed


def test_resume_all_names_what_is_paused_by_itself(sold: Desk) -> None:
    """It ends what `pause --all` began, and says how to go on with the others."""
    said = sold.call("resume", "--all")

    assert (1, True) == (said.code, "each by itself: one" in said.err)


@given(
    rows=st.lists(st.lists(st.text("ab c\u5199\u0301", max_size=60), min_size=3, max_size=3), min_size=1, max_size=4),
    width=st.integers(60, 100),
)
def test_a_table_is_no_wider_than_its_terminal_and_loses_nothing(rows: list[list[str]], width: int) -> None:
    """Every letter that is no space stands in it, and no line is too wide."""
    lines = laid_out([["rule", "file", "why"], *rows], [False, False, True], width)
    letters = sorted("".join(each for row in rows for cell in row for each in cell if each != " "))

    assert [] == [line for line in lines if columns_of(line) > width]
    assert letters == sorted("".join(lines[1:]).replace(" ", "")) or "rule" in lines[1]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("one two", ["one two"]),
        ("one two three", ["one two", "three"]),
        ("a/very-long-name.jpg", ["a/very-lon", "g-name.jpg"]),
        ("\u5199" * 6, ["\u5199" * 5, "\u5199"]),
    ],
)
def test_a_text_is_broken_between_words_or_else_anywhere(text: str, lines: list[str]) -> None:
    """Ten columns; letters of East Asia take two."""
    assert lines == fold(text, 10)
