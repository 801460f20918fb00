"""When to try again, and how often to look."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.backoff import delay, poll_delay

JITTER = st.floats(0, 1, exclude_max=True)
SECONDS = st.floats(0, 1e7)


def test_waits_double_up_to_the_cap() -> None:
    """1, 2, 4 ... 32 s and no more, as the service advises."""
    assert [delay(attempt, jitter=0) for attempt in range(1, 8)] == [1, 2, 4, 8, 16, 32, 32]


def test_jitter_adds_up_to_one_base() -> None:
    """Many clients that fail together do not come back together."""
    assert (delay(1, jitter=0.5), delay(1, base=10, jitter=0.5)) == (1.5, 15)


def test_the_server_may_ask_for_more_patience() -> None:
    """`Retry-After` is a lower bound, beyond our own cap."""
    assert (delay(1, jitter=0, retry_after=120), delay(3, jitter=0, retry_after=1)) == (120, 4)


@pytest.mark.parametrize("told", [1e9, float("inf")])
def test_the_server_may_not_silence_us(told: float) -> None:
    """An absurd `Retry-After` means an hour."""
    assert delay(1, jitter=0, retry_after=told) == 3600


@pytest.mark.parametrize("told", [-5.0, 0.0, float("nan")])
def test_a_meaningless_wish_is_no_wish(told: float) -> None:
    """Negative, zero and NaN leave our own schedule alone."""
    assert delay(1, jitter=0, retry_after=told) == 1


@given(st.integers(-5, 10**9), JITTER, st.none() | st.floats())
def test_a_wait_is_always_positive_and_bounded(attempt: int, jitter: float, told: float | None) -> None:
    """No count and no header makes a busy loop or an endless sleep."""
    assert 1 <= delay(attempt, jitter=jitter, retry_after=told) <= 3601


@pytest.mark.parametrize(
    ("age", "usual", "wait"),
    [
        pytest.param(0, 40, 16, id="half of the time until it is nearly due"),
        pytest.param(28, 40, 2, id="nearly due"),
        pytest.param(40, 40, 2, id="due"),
        pytest.param(140, 40, 10, id="overdue"),
        pytest.param(86_400, 40, 30, id="a day old"),
        pytest.param(0, None, 2, id="nothing known"),
        pytest.param(100, None, 10, id="nothing known, older"),
    ],
)
def test_polling_follows_the_usual_duration(age: float, usual: float | None, wait: float) -> None:
    """Few looks long before and long after the end, many around it."""
    assert wait == poll_delay(age, usual, 2)


@given(SECONDS, st.none() | st.floats(), st.floats(0.1, 100), JITTER, st.floats(0, 1000))
def test_polling_is_never_frantic_nor_asleep(
    age: float, usual: float | None, base: float, jitter: float, cap: float
) -> None:
    """Every wait lies between the base and the cap, give or take the jitter."""
    assert base <= poll_delay(age, usual, base, jitter=jitter, cap=cap) <= 1.2 * max(base, cap)
