"""The states of a file as people see them: the same words in `status`, in `list` and on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE_WORDS: dict[str, tuple[ItemState, ...]] = {
    "ready": (ItemState.READY, ItemState.DUPLICATE),
    "queued": (ItemState.QUEUED,),
    "processing": (ItemState.SUBMITTED,),
    "saving": (ItemState.DOWNLOADING,),
    "done": (ItemState.DONE,),
    "failed": (ItemState.FAILED,),
    "unknown": (ItemState.OUTCOME_UNKNOWN,),
    "waiting": (ItemState.WAITING,),
    "skipped": (ItemState.SKIPPED,),
}
"""Every state has one word, in the order in which a file passes them. Of what is done, some is to review."""

TO_REVIEW = "to-review"
"""The word for what is done and waits for a verdict; it is counted as that alone, so that counts add up."""

SETTLING = "settling"
"""The word for a file that is watched until it is stable: it is in no row, so only a running daemon knows of it."""

UNTIL_STABLE = "watched until it stands still and is whole"
"""What is said of such a file."""


def counts_apart(counts: Mapping[ItemState, int], to_review: int) -> dict[str, int]:
    """How many files are in each state: what waits for a verdict as `to_review`, and not as done."""
    found = {str(state): count for state, count in sorted(counts.items())}
    if to_review:
        found |= {"done": max(0, found.get("done", 0) - to_review), "to_review": to_review}
    return found


def state_word(state: ItemState) -> str:
    """A state as people see it."""
    return next(word for word, states in STATE_WORDS.items() if state in states)
