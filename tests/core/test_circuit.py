"""When an origin is left alone, and how it is asked again."""

from __future__ import annotations

from random import Random

import pytest

from runflowd.core.circuit import ENOUGH, Admission, Circuit, RetryBudget


def closed() -> Circuit:
    """One that has been tried."""
    circuit = Circuit()
    circuit.admit(0.0)
    circuit.succeeded(0.0, probe=True)
    return circuit


def test_the_first_request_goes_alone() -> None:
    """Nothing is known before its answer (scenario 130)."""
    circuit = Circuit()
    first = [circuit.admit(0.0), circuit.admit(0.0)]
    circuit.succeeded(1.0, probe=True)

    assert ([Admission.PROBE, Admission.WAIT], Admission.GO) == (first, circuit.admit(1.0))


@pytest.mark.parametrize("seed", range(20))
def test_single_failures_close_nothing(seed: int) -> None:
    """A fifth of thousands of requests (scenario 154)."""
    circuit, chance = closed(), Random(seed)
    for number in range(1000):
        if chance.random() < 0.2:
            circuit.failed(number / 10, 0.0, probe=False)
        else:
            circuit.succeeded(number / 10, probe=False)

        assert Admission.GO is circuit.admit(number / 10)


def test_it_opens_when_most_requests_fail_and_is_probed_by_one() -> None:
    """Ever more rarely, until one gets through (scenarios 130, 154)."""
    circuit = closed()
    for _ in range(ENOUGH):
        circuit.failed(10.0, 0.0, probe=False)
    waits = []
    now = 10.0
    for _ in range(8):
        assert Admission.REFUSE is circuit.admit(now)
        waits.append(circuit.retry_in(now) or 0.0)
        now += waits[-1]
        assert [Admission.PROBE, Admission.WAIT] == [circuit.admit(now), circuit.admit(now)]
        circuit.failed(now, 0.0, probe=True)
    circuit.reset()

    assert [1, 2, 4, 8, 16, 32, 60, 60] == waits
    assert (Admission.PROBE, None) == (circuit.admit(now), circuit.retry_in(now))


def test_old_failures_count_no_more() -> None:
    """What failed an hour ago says nothing about now."""
    circuit = closed()
    for number in range(50):
        circuit.failed(number * 30.0, 0.0, probe=False)

    assert Admission.GO is circuit.admit(50 * 30.0)


def test_a_reason_that_holds_for_all_opens_it_at_once() -> None:
    """A refused key; what else was under way does not make it wait longer (scenario 130)."""
    circuit = closed()
    for _ in range(64):
        circuit.trip(10.0, 0.0, probe=False, slowest=300.0)

    assert (1.0, "<Circuit open, 1 tries in vain>") == (circuit.retry_in(10.0), repr(circuit))


def test_a_probe_that_was_given_up_is_another_requests_turn() -> None:
    """It told nothing."""
    circuit = Circuit()
    circuit.admit(0.0)
    circuit.abandon()

    assert Admission.PROBE is circuit.admit(0.0)


def test_repetitions_are_bounded_by_what_is_answered() -> None:
    """Some at once, then one for two answers."""
    budget = RetryBudget(most=3)
    spent = [budget.spend() for _ in range(4)]
    budget.earn()
    budget.earn()

    assert ([True, True, True, False], [True, False]) == (spent, [budget.spend(), budget.spend()])
