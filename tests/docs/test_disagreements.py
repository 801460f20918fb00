"""docs/disagreements.md against the code: every row, every switch, and tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

from runflowd.local.api_variants import ApiVariants

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "disagreements.md").read_text("utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if re.match(r"\| \d", line)]
NODES = sorted(set(re.findall(r"`(tests/[\w/.]+::[^`]+)`", PAGE)))


def test_all_thirty_disagreements_are_there() -> None:
    """Numbered, in order, each row whole."""
    assert [(str(number), 7) for number in range(1, 31)] == [(row[0], len(row)) for row in ROWS]


def test_every_row_names_a_test_or_says_why_it_needs_none() -> None:
    """`not concerned` is followed by a reason."""
    assert [] == [row[0] for row in ROWS if not re.search(r"tests/|not concerned: \w+", row[6] + row[4])]


def test_every_switch_is_explained() -> None:
    """In the table or in the text below it; and no switch is named that does not exist."""
    named = {name for row in ROWS for name in re.findall(r"`(\w+)`", row[5]) if name != "cancel"}
    below = set(re.findall(r"`(\w+)`", PAGE.partition("## Where the sources are silent")[2]))

    assert set() == ApiVariants.model_fields.keys() - named - below
    assert set() == named - ApiVariants.model_fields.keys()


@pytest.mark.parametrize("node", NODES)
def test_every_named_test_exists(node: str) -> None:
    """Its file, its function, and the choice in its brackets."""
    path, _, name = node.partition("::")
    function, _, choice = name.rstrip("]").partition("[")
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    functions = {each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}

    assert function in functions
    assert not choice or choice in choices()


def choices() -> set[str]:
    """Every choice that is not a default, as the ids of the tests have it."""
    fields = ApiVariants.model_fields.items()
    return {
        f"{name}={choice}"
        for name, field in fields
        for choice in ((True,) if field.annotation is bool else get_args(field.annotation)[1:])
    }
