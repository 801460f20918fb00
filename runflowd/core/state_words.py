"""The states of a file as people see them: the same words in `status`, in `list` and on the page."""

from __future__ import annotations

from runflowd.core.lifecycle import ItemState

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
"""Every state has one word, in the order in which a file passes them."""

SETTLING = "settling"
"""The word for a file that is watched until it is stable: it is in no row, so only a running daemon knows of it."""


def state_word(state: ItemState) -> str:
    """A state as people see it."""
    return next(word for word, states in STATE_WORDS.items() if state in states)
