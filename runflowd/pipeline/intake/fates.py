"""What a plan says of one file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState

if TYPE_CHECKING:
    from runflowd.core.money import Price


class Fate(StrEnum):
    """What would become of a file."""

    BUY = "buy"
    """A new content: it would be bought."""
    TAKE = "take"
    """It takes a result along that is paid for, or that the plan buys for another file."""
    WAIT = "wait"
    """It would be taken later, when what it waits for has come."""
    FAIL = "fail"
    """It would fail, and nothing would be sent."""
    ASK = "ask"
    """It failed before, or its purchase is in doubt: an operator decides."""
    SEALED = "sealed"
    """It is in a batch that is not known to be bought."""
    UNDER_WAY = "under_way"
    """It was bought; its result is to come."""
    DONE = "done"
    LEFT_OUT = "left_out"
    """The rule does not take it."""


FATES = {
    ItemState.READY: Fate.BUY,
    ItemState.DUPLICATE: Fate.TAKE,
    ItemState.QUEUED: Fate.SEALED,
    ItemState.SUBMITTED: Fate.UNDER_WAY,
    ItemState.DOWNLOADING: Fate.UNDER_WAY,
    ItemState.DONE: Fate.DONE,
    ItemState.WAITING: Fate.WAIT,
    ItemState.FAILED: Fate.ASK,
    ItemState.OUTCOME_UNKNOWN: Fate.ASK,
    ItemState.SKIPPED: Fate.LEFT_OUT,
}
"""What is to be said of a file that is as it was when it got into such a state."""

REFUSED = {ItemState.FAILED: Fate.FAIL, ItemState.SKIPPED: Fate.LEFT_OUT, ItemState.WAITING: Fate.WAIT}


@dataclass(frozen=True, slots=True)
class Planned:
    """One file, or with a slash at its end one folder, and what would become of it; `size` is bytes.

    `price` is what it is expected to cost if it would be bought, None where nobody knows.
    """

    path: str
    fate: Fate
    size: int = 0
    code: str = ""
    why: str = ""
    price: Price | None = None
