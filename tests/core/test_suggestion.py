"""What is told about a rule that there is not."""

from __future__ import annotations

import pytest

from runflowd.core.suggestion import MAX_NAMES, unknown_name


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("studoi", ["studio", "sand"], "there is no rule 'studoi'; did you mean 'studio'? There are: sand, studio."),
        ("x", ["studio"], "there is no rule 'x'. There are: studio."),
        ("x", [], "there is no rule 'x'. There are none."),
    ],
)
def test_an_unknown_name_is_answered_with_the_one_that_may_be_meant(name: str, known: list[str], expected: str) -> None:
    """And with those that there are."""
    assert expected == unknown_name("rule", name, known)


def test_of_many_rules_a_few_are_named() -> None:
    """A configuration may have thousands."""
    assert unknown_name("rule", "x", [f"rule-{number}" for number in range(MAX_NAMES + 3)]).endswith(", and 3 more.")
