"""docs/local-service.md against the code: every switch is there, and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from runflowd.local.api_variants import ApiVariants
from runflowd.local.faults.plan import CallbackKind, Faults, RequestKind, RunKind
from runflowd.local.http.control import ROUTES

PAGE = Path(__file__).parents[3].joinpath("docs", "local-service.md").read_text("utf-8")


def _table(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, as cells."""
    section = re.split(r"^#+ ", PAGE.partition(f"# {heading}\n")[2], flags=re.MULTILINE)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_every_reading_stands_in_the_page_with_its_choices_and_meaning() -> None:
    """In the order of the code, the default first, in the code's own words."""
    expected = []
    for name, field in ApiVariants.model_fields.items():
        choices = ("false", "true") if field.annotation is bool else get_args(field.annotation)
        shown = ", ".join(f"`{choice}`" for choice in choices)
        expected.append([f"`{name}`", shown, field.description])

    assert expected == _table("API variants")


@pytest.mark.parametrize(
    ("heading", "kinds"), [("Requests", RequestKind), ("Runs", RunKind), ("Callbacks", CallbackKind)]
)
def test_every_kind_of_fault_stands_in_the_page(heading: str, kinds: object) -> None:
    """One row for each, in the order of the code."""
    assert [f"`{kind}`" for kind in get_args(kinds)] == [row[0] for row in _table(heading)]


def test_the_control_routes_stand_in_the_page() -> None:
    """Method and path."""
    routes = [f"`{method} {route.path}`" for route in ROUTES for method in route.methods or () if method != "HEAD"]

    assert routes == [row[0] for row in _table("Control routes")]


def test_the_example_of_faults_is_valid() -> None:
    """It can be copied."""
    example = re.search(r"^    (\{\"requests\".*?\})\n\n", PAGE, re.MULTILINE | re.DOTALL)
    assert example is not None

    assert len(Faults.model_validate(json.loads(example[1])).requests) == 2
