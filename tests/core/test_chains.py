"""Who stands beside, before and after whom."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.chains import beside, in_order, is_within, loops, makers, own_outputs, takers
from runflowd.core.model import Rule


def rule(name: str, watch: str, output: str) -> Rule:
    return Rule(name=name, watch=watch, output=output, model="m/n", input={})


FIRST, SECOND = rule("first", "/in", "/a"), rule("second", "/in", "/b")
NEXT, LAST = rule("next", "/a", "/c"), rule("last", "/c/deep", "/d")
RULES = [LAST, NEXT, FIRST, SECOND]


@pytest.mark.parametrize(
    ("folder", "root", "expected"),
    [("/a", "/a", True), ("/a/b", "/a", True), ("/ab", "/a", False), ("/", "/a", False), ("/a", "/", True)],
)
def test_a_folder_whose_name_begins_alike_is_not_within(folder: str, root: str, *, expected: bool) -> None:
    """A path is compared part by part."""
    assert expected is is_within(folder, root)


def test_neighbours_makers_and_takers() -> None:
    """Rules over one folder, and along a chain, a part of an output included (scenario 143)."""
    assert [SECOND] == beside(RULES, FIRST)
    assert ([NEXT], [LAST], []) == tuple(takers(RULES, each) for each in (FIRST, NEXT, LAST))
    assert ([FIRST], [NEXT], []) == tuple(makers(RULES, each) for each in (NEXT, LAST, FIRST))
    assert ["/d", "/b"] == own_outputs(RULES)


def test_those_that_make_come_before_those_that_take() -> None:
    """So that a plan knows what comes to a rule when it reaches it (scenario 143)."""
    assert [FIRST, NEXT, LAST, SECOND] == in_order(RULES)


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3)))
def test_a_way_round_is_found_exactly_when_there_is_one(edges: dict[str, list[str]]) -> None:
    """And it is one that can be gone (scenario 143)."""
    found = loops(edges)

    assert bool(found) is any(name in _reached(edges, name) for name in edges)
    assert all(way[0] == way[-1] for way in found)
    assert all(step in edges.get(here, ()) for way in found for here, step in pairwise(way))


def _reached(edges: dict[str, list[str]], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = list(edges.get(start, ()))
    while waiting:
        if (name := waiting.pop()) not in reached:
            reached.add(name)
            waiting += edges.get(name, ())
    return reached
