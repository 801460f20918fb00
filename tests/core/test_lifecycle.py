"""The table of transitions, and what to do with a row after a crash."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.lifecycle import (
    BATCH_MOVES,
    BOUGHT,
    IN_FLIGHT,
    ITEM_MOVES,
    KEY_MEMORY,
    BatchState,
    IllegalTransition,
    ItemState,
    Resume,
    check_batch,
    check_item,
    resume,
)


def test_every_state_has_a_row() -> None:
    """The tables know every state."""
    assert (set(ItemState), set(BatchState)) == (set(ITEM_MOVES), set(BATCH_MOVES))


@pytest.mark.parametrize("state", sorted(IN_FLIGHT))
def test_nothing_in_flight_is_a_dead_end(state: ItemState) -> None:
    """Whatever changes by itself can reach a state that a person sees."""
    seen, todo = {state}, [state]
    while todo:
        for after in ITEM_MOVES[todo.pop()] - seen:
            seen.add(after)
            todo.append(after)

    assert seen & {ItemState.DONE, ItemState.FAILED}


def test_an_item_in_flight_never_goes_back_to_the_shop() -> None:
    """Once it has a result, no way leads to ready but through done or unknown, where a person asks.

    From submitted there is one, for a file that was not charged because its upload could not be read (scenario 134).
    """
    assert not ITEM_MOVES[ItemState.DOWNLOADING] & {ItemState.READY, ItemState.QUEUED, ItemState.WAITING}
    assert not ITEM_MOVES[ItemState.SUBMITTED] & {ItemState.QUEUED, ItemState.WAITING}


def test_an_illegal_move_is_refused_by_name() -> None:
    """The error names both states."""
    with pytest.raises(IllegalTransition, match="'done' to 'queued'"):
        check_item(ItemState.DONE, ItemState.QUEUED)


def test_an_ended_batch_stays_ended() -> None:
    """No transition leaves it."""
    with pytest.raises(IllegalTransition):
        check_batch(BatchState.ENDED, BatchState.SUBMITTED)


def test_without_an_intent_a_batch_is_prepared() -> None:
    """Nothing was sent."""
    assert resume(None, now=1e9) is Resume.PREPARE


@given(st.floats(0, KEY_MEMORY - 1))
def test_a_fresh_intent_is_repeated(age: float) -> None:
    """The same key and bytes are safe while the service remembers the key."""
    assert resume(1e9, 1e9 + age) is Resume.REPEAT


@given(st.floats(KEY_MEMORY + 1, 1e9) | st.floats(-1e9, -1))
def test_an_old_intent_is_looked_up(age: float) -> None:
    """A forgotten key, or a clock that was set back, would make a repeat a second purchase."""
    assert resume(2e9, 2e9 + age) is Resume.LOOK_UP


@pytest.mark.parametrize("state", sorted(BOUGHT))
def test_what_was_or_may_have_been_bought_is_not_sealed_again(state: ItemState) -> None:
    """Only a person's word, or a touched file, leads back to ready first."""
    with pytest.raises(IllegalTransition):
        check_item(state, ItemState.QUEUED)
