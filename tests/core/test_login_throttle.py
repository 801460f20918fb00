"""How often passwords may be tried."""

from __future__ import annotations

from runflowd.core import login_throttle
from runflowd.core.login_throttle import EACH, MOST_KEYS, TRIES, LoginThrottle


def test_some_tries_may_be_made_at_once_and_then_one_a_minute() -> None:
    """Nobody is shut out for good, however long the tries go on."""
    throttle = LoginThrottle()
    burst = [throttle.attempt(["anna"], 0.0) for _ in range(TRIES + 2)]
    later = [throttle.attempt(["anna"], EACH * minute) for minute in range(1, 100)]

    assert [0.0] * TRIES + [EACH, EACH] == burst
    assert [0.0] * 99 == later


def test_the_fullest_bucket_decides_and_refused_tries_fill_none() -> None:
    """An address that was stopped does not use up the tries of the names that it would have guessed at."""
    throttle = LoginThrottle()
    for _ in range(TRIES):
        throttle.attempt(["address"], 0.0)
    refused = [throttle.attempt(["address", f"name {number}"], 0.0) for number in range(50)]

    assert [EACH] * 50 == refused
    assert 0.0 == throttle.attempt(["name 1"], 0.0)


def test_a_familiar_browser_is_not_held_up_by_what_strangers_try() -> None:
    """Its bucket is its own."""
    throttle = LoginThrottle()
    for number in range(1000):
        throttle.attempt([f"address {number}", "anna"], float(number) / 100)

    assert throttle.attempt(["a new address", "anna"], 10.0) > 0
    assert 0.0 == throttle.attempt(["browser"], 10.0)


def test_what_was_right_is_not_counted() -> None:
    """Who logs in a hundred times a day, and never wrongly, is never held up."""
    throttle = LoginThrottle()
    for _ in range(10 * TRIES):
        assert 0.0 == throttle.attempt(["anna"], 0.0)
        throttle.succeeded(["anna"])


def test_what_is_remembered_is_bounded() -> None:
    """A flood of names costs no memory, and what is being tried now is not what is forgotten."""
    throttle = LoginThrottle()
    for number in range(2 * MOST_KEYS):
        throttle.attempt([number], 0.0)
        if number % 1000 == 0:
            throttle.attempt(["anna"], 0.0)

    assert MOST_KEYS == len(throttle._empty_at)
    assert throttle.attempt(["anna"], 0.0) > 0
    assert login_throttle.EACH <= throttle.attempt(["anna"], 0.0)
