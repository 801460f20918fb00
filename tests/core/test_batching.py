"""When a group of ready items becomes a batch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.batching import Group, due, due_at, next_deadline, take
from runflowd.core.model import BatchLimits

LIMITS = BatchLimits(quiet=5, max_wait=60, max_items=10, max_bytes=1000)


def group(count: int = 1, size: int = 10, oldest: float = 0, newest: float = 0, key: str = "a") -> Group:
    return Group(key, count, size, oldest, newest, LIMITS)


def test_a_group_waits_for_quiet() -> None:
    """Five seconds after its newest item."""
    assert due_at(group(oldest=0, newest=7)) == 12


def test_a_group_that_never_gets_quiet_is_sealed_all_the_same() -> None:
    """Sixty seconds after its oldest item."""
    assert due_at(group(oldest=0, newest=58)) == 60


def test_a_full_group_is_due_at_once() -> None:
    """`max_items` ends the wait."""
    assert due([group(count=10, oldest=3, newest=3)], now=3) == [group(count=10, oldest=3, newest=3)]


def test_a_heavy_group_is_due_at_once() -> None:
    """`max_bytes` ends the wait."""
    assert due_at(group(size=1000, oldest=3, newest=4)) == 3


def test_the_longest_wait_goes_first() -> None:
    """No rule starves another."""
    old, new = group(oldest=0, newest=0, key="b"), group(oldest=1, newest=1, key="a")

    assert [old, new] == due([new, old], now=100)


def test_an_empty_group_is_never_due() -> None:
    """Nothing to seal, no deadline."""
    assert (due([group(count=0)], now=1e9), next_deadline([group(count=0)])) == ([], None)


def test_a_single_heavy_item_still_goes() -> None:
    """An item larger than `max_bytes` makes a batch of its own."""
    assert take([5000, 10], LIMITS) == 1


@given(st.lists(st.integers(1, 2000)), st.integers(1, 100), st.integers(1, 5000))
def test_a_batch_stays_within_its_limits(sizes: list[int], most_items: int, most_bytes: int) -> None:
    """Never more than `max_items`; never more than `max_bytes`, but for a single item; never none."""
    limits = BatchLimits(max_items=most_items, max_bytes=most_bytes)
    count = take(sizes, limits)

    assert count <= most_items
    assert count <= 1 or sum(sizes[:count]) <= most_bytes
    assert bool(count) == bool(sizes)


@given(st.floats(0, 1e6), st.floats(0, 1e3), st.floats(0, 1e3))
def test_the_deadline_and_the_decision_agree(oldest: float, spread: float, later: float) -> None:
    """What `next_deadline` names is due then, and not a moment earlier."""
    one = group(oldest=oldest, newest=oldest + spread)
    deadline = next_deadline([one])

    assert deadline is not None
    assert due([one], deadline + later) == [one]
    assert due([one], deadline - 0.001) == []
