"""When a group of ready items becomes a batch: full, heavy, quiet, or old enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runflowd.core.model import BatchLimits


@dataclass(frozen=True, slots=True)
class Group:
    """The ready items that may share a batch: one rule under one rule text.

    `oldest` and `newest` are the monotonic seconds at which its first and last item became ready.
    """

    key: str
    count: int
    bytes: int
    oldest: float
    newest: float
    limits: BatchLimits


def due_at(group: Group) -> float:
    """The monotonic time at which the group is to be sealed; its own past if that is at once."""
    if group.count >= group.limits.max_items or group.bytes >= group.limits.max_bytes:
        return group.oldest
    return min(group.newest + group.limits.quiet, group.oldest + group.limits.max_wait)


def due(groups: Iterable[Group], now: float) -> list[Group]:
    """The groups to seal now, those that waited longest first, so that no rule starves another."""
    ready = [group for group in groups if group.count and due_at(group) <= now]
    return sorted(ready, key=lambda group: (group.oldest, group.key))


def next_deadline(groups: Iterable[Group]) -> float | None:
    """The earliest time at which a group will be due, or None when nothing waits."""
    return min((due_at(group) for group in groups if group.count), default=None)


def take(sizes: Iterable[int], limits: BatchLimits) -> int:
    """How many of the waiting items, oldest first, go into one batch: at least one, within the limits."""
    total = count = 0
    for size in sizes:
        if count and (count >= limits.max_items or total + size > limits.max_bytes):
            break
        total += size
        count += 1
    return count
