"""Modules and functions stay short enough to be read at one go."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import runflowd

MODULE_LINES = 250
FUNCTION_LINES = 50

HOME = Path(runflowd.__file__).parent
MODULES = sorted(HOME.rglob("*.py"))


def lines_of(node: ast.stmt) -> int:
    """How many lines a definition has, from its first to its last."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def too_long(text: str) -> list[str]:
    """What of a module has more lines than it may."""
    found = [f"the module has {len(text.splitlines())} lines"] if len(text.splitlines()) > MODULE_LINES else []
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return found + [f"{each.name} has {lines_of(each)} lines" for each in functions if lines_of(each) > FUNCTION_LINES]


def test_no_module_and_no_function_is_longer_than_agreed() -> None:
    """Whoever adds to a full module splits it by idea first."""
    found = {str(module.relative_to(HOME)): long for module in MODULES if (long := too_long(module.read_text("utf-8")))}

    assert not found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\n" * MODULE_LINES, []),
        ("x = 1\n" * (MODULE_LINES + 1), ["the module has 251 lines"]),
        ("def f():\n" + "    x = 1\n" * (FUNCTION_LINES - 1), []),
        ("class A:\n    async def f(self):\n" + "        x = 1\n" * FUNCTION_LINES, ["f has 51 lines"]),
    ],
)
def test_the_limits_are_counted(text: str, expected: list[str]) -> None:
    """At the limit is not over it, and methods count as functions do."""
    assert expected == too_long(text)
