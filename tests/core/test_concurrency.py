"""How many requests run at once follows what the origin bears."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.concurrency import FIRST, LEAST, Concurrency


def rounds(limit: Concurrency, count: int, seconds: float, *, failed: bool = False) -> None:
    """Use all of the limit, so many times."""
    for _ in range(count):
        size = limit.limit
        for _ in range(size):
            limit.start()
        for _ in range(size):
            limit.end(seconds, failed=failed)


def test_it_doubles_while_answers_come_as_soon_as_before() -> None:
    """Up to the bound and no further (scenario 129)."""
    limit = Concurrency(64)
    rounds(limit, 10, 0.2)

    assert ("<Concurrency 0 of 64>", False) == (repr(limit), Concurrency(0).has_room())


def test_it_is_cut_when_answers_come_late() -> None:
    """More at once only makes each wait longer."""
    limit = Concurrency(64)
    rounds(limit, 3, 0.2)
    rounds(limit, 1, 0.9)

    assert 54 == limit.limit


def test_it_is_cut_when_most_requests_fail_and_never_below_a_few() -> None:
    """The way back is short."""
    limit = Concurrency(64)
    rounds(limit, 50, 0.2, failed=True)

    assert LEAST == limit.limit


def test_what_is_not_used_does_not_grow() -> None:
    """A poll now and then says nothing about sixty at once."""
    limit = Concurrency(64)
    for _ in range(100):
        limit.start()
        limit.end(0.1, failed=False)

    assert FIRST == limit.limit


@given(st.integers(1, 100), st.lists(st.tuples(st.floats(0, 1e3), st.booleans()), max_size=300))
def test_it_stays_within_its_bounds(most: int, answers: list[tuple[float, bool]]) -> None:
    """Whatever the origin does."""
    limit = Concurrency(most)
    for seconds, failed in answers:
        limit.start()
        limit.end(seconds, failed=failed)

        assert min(LEAST, most) <= limit.limit <= most
