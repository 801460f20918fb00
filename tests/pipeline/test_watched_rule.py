"""Whether files can be accepted under the text of a rule, and when what waits is to be sent in another way."""

from __future__ import annotations

import pytest

from runflowd.pipeline.intake.watched_rule import Inputs, RuleText


@pytest.mark.parametrize("inputs", [Inputs.CURRENT, Inputs.STALE])
def test_items_of_an_older_text_are_rebuilt_first(inputs: Inputs) -> None:
    """Whatever was to be rebuilt before."""
    assert Inputs.STALE is RuleText("now", {}, inputs).outdated().inputs


def test_without_its_reference_a_rule_accepts_nothing() -> None:
    """Nor is anything rebuilt, since nobody knows what would be sent."""
    assert Inputs.MISSING is RuleText("now").without_reference().outdated().inputs


def test_what_waited_for_a_reference_is_rebuilt_when_it_is_there() -> None:
    """Items of an older text may have been found meanwhile."""
    assert Inputs.STALE is RuleText("now").without_reference().with_references().inputs


def test_references_that_are_there_change_nothing() -> None:
    """They are looked at in every turn."""
    assert Inputs.CURRENT is RuleText("now").with_references().inputs
