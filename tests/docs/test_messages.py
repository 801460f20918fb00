"""Messages of the program: a command that one advises exists, and does something as it is written."""

from __future__ import annotations

import ast
import re
import shlex
from typing import TYPE_CHECKING

import pytest
from documented_commands import mistakes
from page_blocks import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

_ADVISED = re.compile(r"`(runflowd [^`]+)`")
NAME_SOMETHING = frozenset({"retry", "pause", "resume", "approve"})
"""Commands that do nothing unless they are told for what."""


def sentences(source: str) -> Iterator[str]:
    """The texts of a module that people may read: docstrings are for who reads the code."""
    tree = ast.parse(source)
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and isinstance(node.body[0], ast.Expr)
    }
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    apart = documents | parts
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(_words(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart:
            yield node.value


def _words(text: ast.JoinedStr) -> Iterator[str]:
    """The parts of a text; a value that stands alone is a word, be it a number, one behind a word may be nothing."""
    before = ""
    for part in text.values:
        before = str(part.value) if isinstance(part, ast.Constant) else "" if before[-1:].isalnum() else "1"
        yield before


ADVISED = sorted(
    {
        found
        for file in (ROOT / "runflowd").rglob("*.py")
        if "`runflowd" in (source := file.read_text())
        for sentence in sentences(source)
        for found in _ADVISED.findall(sentence)
    }
)


@pytest.mark.parametrize("command", ADVISED)
def test_an_advised_command_works_as_it_is_written(command: str) -> None:
    """Whoever follows a remedy to the letter is not told that it lacks something."""
    words = shlex.split(command)

    assert [] == mistakes(words)
    assert words[1] not in NAME_SOMETHING or len(words) > 2


def test_messages_advise_commands() -> None:
    """Else this would look in the wrong place."""
    assert len(ADVISED) > 20
