"""What the guarantees point at is there, and shows the scenarios that it is said to show."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
NAMED_TEST = r"`(tests/[\w/]+\.py)((?:::\w+)*)`"
NAMED = re.findall(NAMED_TEST, TEXT)
ROWS = re.findall(r"^\| (\d[\d, to]*) \| .* \| (.*) \|$", TEXT, re.MULTILINE)
"""The first and the last column of both tables: scenarios, and the test that shows them or the reason why none does."""

SCENARIOS = r"scenarios? ([\d, toand]+)"
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

COMPLETE = range(1, 160)
"""The scenarios of which each has a row."""


def numbers(text: str) -> set[int]:
    """The numbers of a list such as `58 to 61, 75`."""
    spans = re.findall(r"(\d+)(?: to (\d+))?", text)
    return {number for first, last in spans for number in range(int(first), int(last or first) + 1)}


@lru_cache
def parsed(file: str) -> ast.Module:
    """A test file as Python reads it."""
    return ast.parse((ROOT / file).read_text("utf-8"))


def shown_by(file: str, names: str) -> set[int]:
    """The scenarios that a test names in its docstring, or a file in those of its tests."""
    node: ast.AST = parsed(file)
    for name in names.split("::")[1:]:
        node = next(each for each in ast.walk(node) if getattr(each, "name", "") == name)
    told = [ast.get_docstring(each) or "" for each in ast.walk(node) if isinstance(each, DOCUMENTED)]
    return {number for text in told for each in re.findall(SCENARIOS, text) for number in numbers(each)}


@pytest.mark.parametrize(("file", "names"), NAMED, ids=[f"{file}{names}" for file, names in NAMED])
def test_a_named_test_exists(file: str, names: str) -> None:
    """File, class and function, as pytest would find them."""
    known = {getattr(each, "name", "") for each in ast.walk(parsed(file))}
    missing = [name for name in names.split("::")[1:] if name not in known]

    assert [] == missing


def test_every_scenario_has_a_row() -> None:
    """With the test that shows it, or the reason why none does."""
    assert set() == set(COMPLETE) - {number for first, _ in ROWS for number in numbers(first)}


@pytest.mark.parametrize(("row", "test"), [row for row in ROWS if min(numbers(row[0])) in COMPLETE])
def test_a_test_names_the_scenarios_of_its_row(row: str, test: str) -> None:
    """In its docstring, so that whoever changes it knows what it stands for."""
    shown = {number for named in re.findall(NAMED_TEST, test) for number in shown_by(*named)}

    assert set() == (numbers(row) - shown if "`tests/" in test else set())


def test_the_table_is_found() -> None:
    """Should the table change its form, the tests above must not pass by testing nothing."""
    assert len(NAMED) > 50
    assert len(ROWS) > 60
