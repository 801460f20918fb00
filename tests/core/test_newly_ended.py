"""Which items of a running batch are worth reading."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from runflowd.core.newly_ended import newly_ended


@dataclass(frozen=True)
class Sent:
    """What matching needs of an item."""

    client_ref: str
    run_id: str | None = None
    position: int | None = None


@dataclass(frozen=True)
class Row:
    """An item as a batch lists it."""

    client_ref: str
    ended: bool
    run_id: str = ""
    sequence: int | None = None


SENT = [Sent("a", "run-a", 0), Sent("b", "run-b", 1), Sent("c", "run-c", 2)]
WAITING = SENT[1:]
UNDERWAY = [Row("a", True), Row("b", False), Row("c", False)]


@pytest.mark.parametrize(
    ("listed", "count", "expected"),
    [
        (UNDERWAY, 1, set()),
        (UNDERWAY, None, set()),
        ([Row("a", True), Row("b", True), Row("c", False)], 2, {"b"}),
        ([Row("", True, run_id="run-c")], None, {"c"}),
        ([Row("", True, sequence=each) for each in (1, 2, 3)], None, {"b", "c"}),
        ([Row("x", True)], 1, set()),
        ([], 1, set()),
        ([], 2, None),
        (UNDERWAY, 2, None),
        ([], None, None),
    ],
)
def test_items_are_read_when_one_more_has_ended(
    listed: list[Row], count: int | None, expected: set[str] | None
) -> None:
    """By the list first, then by the counter; where neither is told, only reading tells."""
    assert expected == newly_ended(SENT, WAITING, listed, count)
