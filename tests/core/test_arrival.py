"""What becomes of a file that became stable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.arrival import UNBOUGHT, Decision, Original, decide
from runflowd.core.lifecycle import BOUGHT, ITEM_MOVES, ItemState

STATES = st.sampled_from(ItemState)
ORIGINALS = st.none() | st.builds(
    Original,
    st.integers(1, 9),
    st.sampled_from(sorted(BOUGHT | {ItemState.READY, ItemState.QUEUED})),
)


def test_a_new_content_is_bought() -> None:
    """Nothing is known of the path or the content: it waits for its batch."""
    assert Decision(ItemState.READY) == decide(None, same_content=False, original=None)


def test_a_touched_file_is_not_bought() -> None:
    """The same content at the same path changes nothing but the stat on record."""
    assert Decision(ItemState.DONE, touch=True) == decide(ItemState.DONE, same_content=True, original=None)


@pytest.mark.parametrize("state", [ItemState.FAILED, ItemState.SKIPPED, ItemState.WAITING])
def test_touching_an_unfinished_file_is_a_retry(state: ItemState) -> None:
    """Failed, skipped and waiting files are tried again when they are touched."""
    assert Decision(ItemState.READY) == decide(state, same_content=True, original=None)


def test_a_replaced_file_keeps_what_was_paid_on_record() -> None:
    """New content at a path whose old content was bought gets a row of its own."""
    assert Decision(ItemState.READY, supersede=True) == decide(ItemState.DONE, same_content=False, original=None)


def test_a_replaced_file_that_was_not_sent_takes_over_its_row() -> None:
    """New content at a path whose old content cost nothing overwrites that row."""
    assert Decision(ItemState.READY) == decide(ItemState.READY, same_content=False, original=None)


def test_a_duplicate_takes_the_result_of_an_original_that_is_done() -> None:
    """The same content under the same recipe elsewhere is delivered without a purchase."""
    assert Decision(ItemState.DOWNLOADING, original=7) == decide(
        None, same_content=False, original=Original(7, ItemState.DONE)
    )


@pytest.mark.parametrize(
    "state", sorted((BOUGHT | {ItemState.READY, ItemState.QUEUED}) - {ItemState.DONE, ItemState.OUTCOME_UNKNOWN})
)
def test_a_duplicate_waits_for_an_original_on_its_way(state: ItemState) -> None:
    """While the original has no result yet, nothing is bought beside it."""
    assert Decision(ItemState.DUPLICATE, original=7) == decide(None, same_content=False, original=Original(7, state))


def test_a_duplicate_shares_the_doubt_of_its_original() -> None:
    """Perhaps bought, perhaps lost: whoever owns the other file sees it too, and nothing is bought beside it."""
    assert Decision(ItemState.OUTCOME_UNKNOWN, original=7) == decide(
        None, same_content=False, original=Original(7, ItemState.OUTCOME_UNKNOWN)
    )


def test_the_same_file_dropped_again_is_disposed_of_again() -> None:
    """Under `after: delete` a finished file that comes back goes through delivery only."""
    expected = Decision(ItemState.DOWNLOADING, touch=True)

    assert expected == decide(ItemState.DONE, same_content=True, original=None, disposed=True)


@given(st.none() | STATES, st.booleans(), ORIGINALS)
def test_what_was_or_may_have_been_bought_is_never_overwritten(
    existing: ItemState | None, same_content: bool, original: Original | None
) -> None:
    """A row in a state where money moved is touched or kept beside the new one, whatever else holds."""
    decision = decide(existing, same_content=same_content and existing is not None, original=original)

    assert existing not in BOUGHT or decision.touch or decision.supersede


@given(st.none() | STATES, ORIGINALS)
def test_with_an_original_nothing_becomes_ready(existing: ItemState | None, original: Original | None) -> None:
    """Two items with one content and recipe are never both on their way to be bought."""
    decision = decide(existing, same_content=False, original=original)

    assert original is None or decision.state is not ItemState.READY


@given(st.sampled_from(sorted(UNBOUGHT)), st.booleans(), st.booleans(), ORIGINALS)
def test_whatever_is_decided_is_a_legal_move(
    existing: ItemState, same: bool, disposed: bool, original: Original | None
) -> None:
    """The table of transitions knows every way on which another content takes over a row."""
    decision = decide(existing, same_content=same, original=original, disposed=disposed)

    assert decision.state in ITEM_MOVES[existing] | {existing}


@pytest.mark.parametrize("existing", sorted(UNBOUGHT))
def test_a_file_that_cannot_be_taken_is_set_aside_from_every_state_in_which_it_cost_nothing(
    existing: ItemState,
) -> None:
    """It waits, failed or was left out, whatever was known of its path before."""
    aside = {ItemState.WAITING, ItemState.FAILED, ItemState.SKIPPED}

    assert set() == aside - ITEM_MOVES[existing] - {existing}
