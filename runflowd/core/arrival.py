"""What becomes of a file that became stable: buy, share somebody's result, try again, or nothing.

This is where "nothing is paid for twice" is decided; the store runs it inside one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass

from runflowd.core.lifecycle import ItemState

UNBOUGHT = frozenset({ItemState.WAITING, ItemState.READY, ItemState.DUPLICATE, ItemState.FAILED, ItemState.SKIPPED})
"""States of a row that may be written over: no money has moved for it."""

_RETRIED = frozenset({ItemState.WAITING, ItemState.FAILED, ItemState.SKIPPED})
"""Touching a file in one of these asks for another try."""

_BESIDE = {ItemState.DONE: ItemState.DOWNLOADING, ItemState.OUTCOME_UNKNOWN: ItemState.OUTCOME_UNKNOWN}
"""What a duplicate of an item in such a state becomes; the duplicate of any other waits for it."""


@dataclass(frozen=True, slots=True)
class Original:
    """Another item of the rule with the same content and recipe that is bought, or will be."""

    id: int
    state: ItemState


@dataclass(frozen=True, slots=True)
class Decision:
    """What to write: only the new stat (`touch`), or a row in `state`.

    `supersede` keeps the old row, whose content was or may have been bought, beside the new one.
    `original` is the item whose result is taken.
    """

    state: ItemState
    touch: bool = False
    supersede: bool = False
    original: int | None = None


def decide(
    existing: ItemState | None, *, same_content: bool, original: Original | None, disposed: bool = False
) -> Decision:
    """Decide about a file at a path whose current row, if any, is in state `existing`.

    `disposed` says that the rule moves or deletes sources after success: the same file dropped again
    is then disposed of again, at no cost.
    """
    if existing is not None and same_content and existing not in _RETRIED:
        again = disposed and existing is ItemState.DONE
        return Decision(ItemState.DOWNLOADING if again else existing, touch=True)
    supersede = existing is not None and existing not in UNBOUGHT
    if original is None:
        return Decision(ItemState.READY, supersede=supersede)
    return Decision(_BESIDE.get(original.state, ItemState.DUPLICATE), supersede=supersede, original=original.id)
