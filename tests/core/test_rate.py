"""The allowed rate is found without being told, and kept to."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limited_server import pursue

from runflowd.core.rate import SLOWEST, RateLimit


@pytest.mark.parametrize("retry_after", [False, True])
@pytest.mark.parametrize("burst", [10, 50])
@pytest.mark.parametrize("rate", [2, 5, 25, 100])
def test_nearly_all_of_the_allowed_rate_is_used(rate: float, burst: int, retry_after: bool) -> None:
    """At least 0.9 of it, with at most 5 % of the requests answered 429 (scenario 129)."""
    found = pursue([RateLimit()], rate, burst, retry_after=retry_after)

    assert (True, True) == (found.used >= 0.9, found.refused <= 0.05), found


@pytest.mark.parametrize("retry_after", [False, True])
@pytest.mark.parametrize("late", [0.0005, 0.002])
@pytest.mark.parametrize("rate", [2, 5, 25, 100])
def test_a_service_without_bursts_makes_nothing_collapse(rate: float, late: float, retry_after: bool) -> None:
    """At least half of it, however late a busy machine sends, and with few refusals (scenario 129)."""
    found = pursue([RateLimit()], rate, 1, retry_after=retry_after, late=late)

    assert (True, True) == (found.used >= 0.5, found.refused <= 0.05), found


@pytest.mark.parametrize("retry_after", [False, True])
@pytest.mark.parametrize(("hosts", "burst"), [(2, 2), (2, 10), (4, 5)])
def test_hosts_that_know_nothing_of_each_other_share_what_is_allowed(burst: int, hosts: int, retry_after: bool) -> None:
    """At least 0.8 of it together, with few refusals, where the service grants a burst of a request for each or so."""
    found = pursue([RateLimit() for _ in range(hosts)], 25, burst, retry_after=retry_after, seconds=100)

    assert (True, True) == (found.used >= 0.8, found.refused <= 0.05), found


@given(rate=st.floats(2, 100), burst=st.integers(10, 50), seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_any_rate_is_found(rate: float, burst: int, seed: int) -> None:
    """Whatever it is, and however the requests fall (scenario 129)."""
    found = pursue([RateLimit()], rate, burst, seconds=100, seed=seed)

    assert (True, True) == (found.used >= 0.85, found.refused <= 0.06), found


def test_nothing_is_assumed_before_the_first_refusal() -> None:
    """An unlimited service is asked at full speed."""
    limit = RateLimit()
    for _ in range(1000):
        limit.start(1.0)
        limit.accepted()

    assert (0.0, None, "<RateLimit none>") == (limit.wait(1.0), limit.rate, repr(limit))


def test_the_service_may_name_the_time() -> None:
    """`Retry-After` holds for every request."""
    limit = RateLimit()
    start = limit.start(1.0)
    limit.refused(start, 2.0, retry_after=30.0)

    assert (30.0, 0.0) == (limit.wait(2.0), limit.wait(32.0))


def test_what_followed_too_early_on_a_late_one_lowers_no_rate() -> None:
    """It is the catching up that the service would not have, and that is given up (scenario 129)."""
    limit = RateLimit()
    limit.refused(limit.start(1.0), 1.1)
    before = limit.rate
    late = 1.1 + limit.wait(1.1) + 2.0
    limit.start(late)
    early = limit.start(late + 0.01)
    limit.refused(early, late + 0.1, retry_after=1.0)

    assert (True, True) == (early.early, limit.rate is not None and limit.rate >= (before or 0.0))


def test_refusals_of_one_moment_count_once() -> None:
    """What was under way when the rate was cut says nothing about the new rate."""
    limit = RateLimit()
    starts = [limit.start(1.0) for _ in range(64)]
    for _ in starts[:10]:
        limit.accepted()
    limit.refused(starts[10], 1.1)
    first = limit.rate
    for start in starts[11:]:
        limit.refused(start, 1.2)

    assert (first, 54) == (limit.rate, limit.refusals)


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans(), st.none() | st.floats(0, 3600)), max_size=200))
def test_no_answers_make_it_wait_for_ever(answers: list[tuple[float, bool, float | None]]) -> None:
    """The rate stays positive, and the wait is bounded by what the service asked for."""
    limit = RateLimit()
    now = 0.0
    for pause, accepted, retry_after in answers:
        now += pause
        start = limit.start(now)
        if accepted:
            limit.accepted()
        else:
            limit.refused(start, now + 0.1, retry_after)

        assert limit.rate is None or limit.rate >= SLOWEST
        assert 0 <= limit.wait(now) <= 3600 * len(answers) + 2 / SLOWEST
