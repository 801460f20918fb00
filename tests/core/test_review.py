"""Which results are judged, and where they belong by what was said of them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.review import Place, Review, ReviewMode, ReviewPolicy, place_of, put_in, standing

HASHES = st.binary(max_size=20).map(lambda data: hashlib.sha256(data).hexdigest())
SHARES = st.integers(1, 100)
HOLD = ReviewPolicy(ReviewMode.HOLD)


@given(SHARES, st.integers(0, 10_000))
def test_about_the_share_that_was_asked_for_is_chosen(which: int, first: int) -> None:
    """Of a thousand contents, within five standard deviations of that many."""
    policy = ReviewPolicy(ReviewMode.AFTER, which)
    chosen = sum(policy.chooses(hashlib.sha256(str(first + each).encode()).hexdigest()) for each in range(1000))

    assert chosen == pytest.approx(which * 10, abs=5 * (which * (100 - which) / 10) ** 0.5)


@given(HASHES, SHARES, SHARES)
def test_a_higher_share_chooses_all_that_a_lower_one_does(content: str, one: int, other: int) -> None:
    """So whoever raises it has nothing judged a second time that was passed over, and loses nothing."""
    lower, higher = (ReviewPolicy(ReviewMode.HOLD, which).chooses(content) for which in sorted((one, other)))

    assert higher >= lower


@given(HASHES)
def test_all_means_all_and_off_means_none(content: str) -> None:
    """Whatever the content."""
    assert (HOLD.chooses(content), ReviewPolicy(ReviewMode.OFF).chooses(content)) == (True, False)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((), Review.WAITING),
        ((Review.NONE, Review.NONE), Review.WAITING),
        ((Review.WAITING, Review.REJECTED), Review.REJECTED),
        ((Review.ACCEPTED, Review.REJECTED), Review.ACCEPTED),
    ],
)
def test_a_result_stands_by_the_first_verdict_that_is_in_force(verdicts: tuple[Review, ...], expected: Review) -> None:
    """Its own counts before that on an equal one, and without any it waits."""
    assert standing(HOLD, "0" * 64, *verdicts) is expected


@pytest.mark.parametrize("mode", ReviewMode)
def test_what_is_accepted_or_asked_of_nobody_stands_in_the_output_folder(mode: ReviewMode) -> None:
    """Whatever the rule says by now."""
    assert {place_of(review, mode) for review in (Review.NONE, Review.ACCEPTED)} == {Place.OUTPUT}


def test_only_what_is_held_is_hidden_while_it_waits() -> None:
    """Under `after` people look at it where it is."""
    paths = [put_in(place_of(Review.WAITING, mode), "a/b.jpg") for mode in (ReviewMode.HOLD, ReviewMode.AFTER)]

    assert paths == [".runflowd-held/a/b.jpg", "a/b.jpg"]
