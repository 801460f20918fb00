"""What the guarantees point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.findall(r"`(tests/[\w/]+\.py)((?:::\w+)*)`", (ROOT / "docs" / "guarantees.md").read_text("utf-8"))


@pytest.mark.parametrize(("file", "names"), NAMED, ids=[f"{file}{names}" for file, names in NAMED])
def test_a_named_test_exists(file: str, names: str) -> None:
    """File, class and function, as pytest would find them."""
    text = (ROOT / file).read_text("utf-8")
    known = set(re.findall(r"^\s*(?:async )?(?:def|class) (\w+)", text, re.MULTILINE))
    missing = [name for name in names.split("::")[1:] if name not in known]

    assert [] == missing


def test_the_table_is_found() -> None:
    """Should the table change its form, the test above must not pass by testing nothing."""
    assert len(NAMED) > 50
