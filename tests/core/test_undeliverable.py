"""When what is paid for and cannot be delivered stops a rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runflowd.core.lifecycle import ItemState
from runflowd.core.model import Rule
from runflowd.core.remedies import remedy_for
from runflowd.core.undeliverable import (
    IN_A_ROW,
    after_doubt,
    after_failure,
    after_success,
    holds,
    recipe_of,
    stops,
)

RULE = Rule("a", "/in", "/out", "m/n", {"prompt": "wood"})


def test_the_first_one_of_a_recipe_stops_it() -> None:
    """Nothing of it was ever delivered."""
    assert stops(after_failure("", 1))


def test_after_a_success_three_in_a_row_do() -> None:
    """One file may be odd; a success between them begins the count anew."""
    seen, told = after_success(), []
    for item in range(IN_A_ROW):
        seen = after_failure(seen, item)
        told.append(stops(seen))

    assert [False, False, True] == told
    assert not stops(after_failure(after_success(), 1))


def test_a_first_result_in_doubt_holds_and_does_not_stop() -> None:
    """Until it is known, nothing more is bought; what is remembered of lost ones counts as before."""
    seen = after_doubt("", 1)

    assert (True, False) == (holds(seen), stops(seen))
    assert (True, True) == (holds(after_failure(seen, 1)), stops(after_failure(seen, 1)))
    assert (False, False) == (holds(""), holds(after_success()))


def test_after_a_success_three_items_in_doubt_hold() -> None:
    """Of one item each try is the same doubt; one that is lost counts once."""
    seen, told = after_success(), []
    for item in (1, 1, 2, 2, 3):
        seen = after_doubt(seen, item)
        told.append(holds(seen))
    lost = after_failure(seen, 2)

    assert [False, False, False, False, True] == told
    assert (True, False) == (holds(lost), stops(lost))


def test_no_more_items_in_doubt_are_kept_than_matter() -> None:
    """A thousand results may be broken at once."""
    seen = ""
    for item in range(1_000):
        seen = after_doubt(seen, item)

    assert len(seen) < 20


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"name": "b", "settle": 9.0, "output": "/elsewhere"}, True),
        ({"model": "m/o"}, False),
        ({"input": {"prompt": "stone"}}, False),
        ({"select": "result_*"}, False),
        ({"files": {"logo": "/l.png"}}, False),
    ],
)
def test_an_edit_of_what_is_bought_is_another_try(change: dict[str, Any], same: bool) -> None:
    """What else the rule says has nothing to do with it."""
    assert same is (recipe_of(RULE) == recipe_of(replace(RULE, **change)))


@pytest.mark.parametrize("code", ["RESULT_TOO_LARGE", "RESULT_LOST", "NO_RESULT"])
def test_no_remedy_leads_to_a_second_payment(code: str) -> None:
    """It says that it is paid for, and never to touch or to replace the file."""
    remedy = remedy_for(ItemState.OUTCOME_UNKNOWN, code, "one", "x/a.jpg")

    assert remedy.startswith("It is paid for")
    assert not {"ouch", "replace", "buy"} & set(remedy.replace("rerun", "buy").split())


@pytest.mark.parametrize(
    ("code", "command"),
    [
        ("OUTCOME_UNKNOWN", "`runflowd retry --buy-again --rule one 'x/a b.jpg'`"),
        ("KEY_CONFLICT", "`runflowd retry --buy-again --rule one 'x/a b.jpg'`"),
        ("RESULT_MISSING", "`runflowd retry --buy-again --rule one 'x/a b.jpg'`"),
        ("ORIGINAL_UNKNOWN", "`runflowd retry --buy-again --rule one 'x/a b.jpg'`"),
        ("NOT_FOUND", "`runflowd retry 'x/a b.jpg'`"),
    ],
)
def test_an_unknown_outcome_names_the_command_that_ends_it(code: str, command: str) -> None:
    """A plain `retry` asks for what was bought, and refuses what may have been."""
    assert command in remedy_for(ItemState.OUTCOME_UNKNOWN, code, "one", "x/a b.jpg")
