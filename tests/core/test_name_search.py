"""A part of a name finds what folds to the same."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.name_search import has_name

letters = "sSßẞ\u017ft\ufb06fF\ufb01\ufb00iIİΐΣς\udcffa."


@given(st.text(alphabet=letters, max_size=8), st.text(alphabet=letters, min_size=1, max_size=6))
def test_what_the_folded_name_has_in_it_is_found(name: str, part: str) -> None:
    """Law, by what Unicode says of both; pieces of a letter that folds to several are letters as others are."""
    assert part.casefold() not in name.casefold() or has_name(name, part)


@pytest.mark.parametrize(
    ("name", "part"), [("IŞIK.jpg", "\u0131ş\u0131k"), ("ss" * 99, "ß" * 90), (os.fsdecode(b"\xc3.jpg"), "\udcc3.J")]
)
def test_more_is_found_than_folding_says(name: str, part: str) -> None:
    """A dotless i stands for its capital, a long row of letters is read, and bytes need be no text."""
    assert has_name(f"folder/{name}", part)


def test_a_folder_is_no_part_of_a_name() -> None:
    """Only the last name of a path counts."""
    assert not has_name("shoes/a.jpg", "shoes")
