"""Commands of the documents, held against what exists: subcommands, options, targets, modules, places.

For the commands that cannot be executed where tests run. A command that nothing here can judge is a mistake,
too, so that none passes unread.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click
from page_blocks import ROOT

from runflowd.cli import group
from runflowd.commands.manual import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

UNITS = frozenset(
    {"runflowd", "runflowd.service", "runflowd.socket", "runflowd-backup.service", "runflowd-backup.timer"}
)
SEPARATORS = frozenset({"|", "||", "&&", ";", "&"})
REDIRECTIONS = frozenset({">", ">>", "<"})
OTHERS = ("/dev/null", "/usr/bin/python3", "/var/backups/", "/usr/local/share/bash-completion/")
"""Places that are not the project's, and are there or are made by the commands themselves."""


def commands(text: str) -> list[list[str]]:
    """The commands of a block as words, each redirection with its place behind the words."""
    found: list[list[str]] = []
    for line in text.replace("\\\n", " ").splitlines():
        found.append([])
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        for word in lexer:
            if word in SEPARATORS:
                found.append([])
            else:
                found[-1].append(word)
    return [words for words in found if words]


def mistakes(words: Sequence[str]) -> list[str]:
    """What is wrong with a command; nothing for one that exists as it is written."""
    cut = next((place for place, word in enumerate(words) if word in REDIRECTIONS), len(words))
    if set_first := re.match(r"(\w+)=", words[0]):
        return mistakes(words[1:]) if set_first[1] in ENVIRONMENT else [f"nobody reads {set_first[1]}"]
    program, arguments = words[0], list(words[1:cut])
    judge = JUDGES.get(program.rpartition("/")[2])
    if judge is None:
        return [f"nobody knows {program}"]
    return [*judge(arguments), *(f"{word} is not a place of the project" for word in words if not _is_placed(word))]


def runflowd(arguments: list[str]) -> list[str]:
    """Parsed by the program itself, up to the point where it would begin to work."""
    command: click.Command = group
    context = click.Context(group, info_name="runflowd")
    try:
        while isinstance(command, click.Group) and arguments:
            name, found, arguments = command.resolve_command(context, arguments)
            assert found is not None
            command, context = found, click.Context(found, info_name=name, parent=context)
        command.make_context(context.info_name, arguments)
    except click.exceptions.Exit:
        return []  # --help
    except click.ClickException as refused:
        return [f"{context.command_path}: {refused.format_message()}"]
    return []


def make(arguments: list[str]) -> list[str]:
    """Targets that `make` lists, a folder of that name is none; and variables that it lets be set, as in `SEED=7`."""
    text = (ROOT / "Makefile").read_text("utf-8")
    known = re.findall(r"^([a-z]+):.*## ", text, re.MULTILINE)
    settable = re.findall(r"^([A-Z]+) \?=", text, re.MULTILINE)
    return [
        f"there is no target or variable {given}"
        for given in arguments
        if given not in known and given.partition("=")[0] not in settable
    ]


def python(arguments: list[str]) -> list[str]:
    """A module that is there, and options that its own help names."""
    if arguments[:2] == ["-m", "venv"]:
        return []
    if arguments[:1] != ["-m"] or len(arguments) < 2:
        return ["only `python -m` is judged here"]
    module = arguments[1]
    if not _of_the_checkout(module) and find_spec(module) is None:
        return [f"there is no module {module}"]
    options = [word for word in arguments[2:] if word.startswith("--")]
    known = set(re.findall(r"--[a-z-]+", _help(module))) if options else set()
    return [f"{module} has no {option}" for option in options if option not in known]


def _of_the_checkout(module: str) -> bool:
    """Whether it is one that no wheel holds: benchmarks, soak and fuzzing."""
    return module.partition(".")[0] in {"bench", "tests"} and (ROOT / module.replace(".", "/")).exists()


@cache
def _help(module: str) -> str:
    asked = [sys.executable, "-m", module, "--help"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} if _of_the_checkout(module) else None
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True, env=environment).stdout


def pip(arguments: list[str]) -> list[str]:
    """This project or a checkout of it, with extras that it has."""
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"])
    wanted = [word for word in arguments if word.startswith((".", "runflowd"))]
    named = {extra for word in wanted for extra in re.findall(r"\[(\w+)\]", word)}
    odd = [word for word in wanted if not re.fullmatch(r"(\.|runflowd)(\[\w+\])?", word)]
    return [
        *(f"there is no extra {extra}" for extra in named - extras),
        *(f"{word} is nothing of ours" for word in odd),
    ]


def uv(arguments: list[str]) -> list[str]:
    """Its three ways to what pip does."""
    ways = (["tool", "install"], ["pip", "install"], ["venv"])
    return pip(arguments) if any(arguments[: len(way)] == way for way in ways) else ["uv is used in another way"]


def systemctl(arguments: list[str]) -> list[str]:
    """A unit of ours, if it names one."""
    units = [word for word in arguments if word.startswith("runflowd")]
    return [f"there is no unit {unit}" for unit in units if unit not in UNITS]


def sudo(arguments: list[str]) -> list[str]:
    """As our user; then the command itself."""
    if arguments[:3] != ["-u", "runflowd", "-H"]:
        return ["sudo is used in another way"]
    return mistakes(arguments[3:])


def pytest(arguments: list[str]) -> list[str]:
    """Folders of tests that are there."""
    return [f"{word} is not there" for word in arguments if "/" in word and not (ROOT / word).exists()]


def plain(_: list[str]) -> list[str]:
    """A tool of every system: its places are looked at, as with all."""
    return []


JUDGES: dict[str, Callable[[list[str]], list[str]]] = {
    "runflowd": runflowd,
    "make": make,
    "python": python,
    "python3": python,
    "pip": pip,
    "pipx": pip,
    "uv": uv,
    "systemctl": systemctl,
    "sudo": sudo,
    "pytest": pytest,
    **dict.fromkeys(("systemd-sysusers", "systemd-tmpfiles", "usermod", "loginctl"), plain),
    **dict.fromkeys(("mkdir", "ln", "rm", "mv", "install", "cat"), plain),
}
"""Who can say whether a command is right."""


def places() -> list[str]:
    """The places of the table in the page on operating."""
    text = (ROOT / "docs" / "operating.md").read_text("utf-8")
    table = text.partition("| Place | What |")[2].partition("\n\n")[0]
    cells = "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `/"))
    return re.findall(r"`(/[^`]+)`", cells)


def _is_placed(word: str) -> bool:
    """Whether a word names no place at all, or one that the project has."""
    if not word.startswith("/") or word.startswith(OTHERS):
        return True
    return any(word == place or word.startswith((f"{place}/", f"{place}-", f"{place}.")) for place in places())
