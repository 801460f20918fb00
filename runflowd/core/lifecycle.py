"""The one table of legal transitions, and what to do with a row found after a crash."""

from __future__ import annotations

from enum import StrEnum


class ItemState(StrEnum):
    """Where one file content under one recipe stands."""

    WAITING = "waiting"
    """Seen, cannot be taken yet; the row says why. Looked at again by the rescan."""
    READY = "ready"
    """Stable and hashed; waits for its batch."""
    DUPLICATE = "duplicate"
    """The same content under the same recipe is on its way; takes that result, buys nothing."""
    QUEUED = "queued"
    """Sealed in a batch: being uploaded or bought."""
    SUBMITTED = "submitted"
    """Bought; the service works on it."""
    DOWNLOADING = "downloading"
    """The result exists at the service, or in another output; not yet written here."""
    DONE = "done"
    FAILED = "failed"
    """Failed for good, for a reason of its own. Its owner sees a note."""
    OUTCOME_UNKNOWN = "outcome_unknown"
    """Perhaps bought, perhaps lost: never bought again unless the operator says so."""
    SKIPPED = "skipped"
    """Left out on purpose: gone or changed before it was bought, or there before its rule was."""


class BatchState(StrEnum):
    """Where one batch stands."""

    SEALED = "sealed"
    """Its items are fixed; uploads and the purchase are to be done, or being done."""
    SUBMITTED = "submitted"
    """The service gave an id; to be polled."""
    ENDED = "ended"
    """Every item has its result or failure recorded."""
    REFUSED = "refused"
    """The service would not take it; nothing was bought. Its items moved on or failed."""
    UNKNOWN = "unknown"
    """Whether it was bought cannot be established. A person decides."""


class Outcome(StrEnum):
    """What is known of one purchase request."""

    INTENDED = "intended"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    OUTDATED = "outdated"
    """Never received, or not taken for its links; what it was to buy is prepared anew, under another key."""
    UNKNOWN = "unknown"


class IllegalTransition(Exception):
    """A stage tried to move a row in a way the table does not know: a bug, never a user's fault."""

    def __init__(self, before: StrEnum, after: StrEnum) -> None:
        super().__init__(f"no way leads from {before.value!r} to {after.value!r}")


_I = ItemState
ITEM_MOVES: dict[ItemState, frozenset[ItemState]] = {
    _I.WAITING: frozenset({_I.READY, _I.DUPLICATE, _I.DOWNLOADING, _I.FAILED, _I.SKIPPED, _I.OUTCOME_UNKNOWN}),
    _I.READY: frozenset(
        {_I.QUEUED, _I.DUPLICATE, _I.DOWNLOADING, _I.SKIPPED, _I.FAILED, _I.WAITING, _I.OUTCOME_UNKNOWN}
    ),
    _I.DUPLICATE: frozenset({_I.READY, _I.DOWNLOADING, _I.FAILED, _I.SKIPPED, _I.OUTCOME_UNKNOWN, _I.WAITING}),
    _I.QUEUED: frozenset({_I.SUBMITTED, _I.READY, _I.WAITING, _I.FAILED, _I.SKIPPED, _I.OUTCOME_UNKNOWN}),
    _I.SUBMITTED: frozenset({_I.DOWNLOADING, _I.FAILED, _I.OUTCOME_UNKNOWN, _I.READY}),
    _I.DOWNLOADING: frozenset({_I.DONE, _I.FAILED, _I.OUTCOME_UNKNOWN}),
    _I.DONE: frozenset({_I.DOWNLOADING, _I.READY}),
    _I.FAILED: frozenset({_I.READY, _I.DUPLICATE, _I.DOWNLOADING, _I.SKIPPED, _I.WAITING, _I.OUTCOME_UNKNOWN}),
    _I.OUTCOME_UNKNOWN: frozenset({_I.READY, _I.DUPLICATE, _I.SUBMITTED, _I.DOWNLOADING, _I.FAILED}),
    _I.SKIPPED: frozenset({_I.READY, _I.DUPLICATE, _I.DOWNLOADING, _I.FAILED, _I.WAITING, _I.OUTCOME_UNKNOWN}),
}
"""From each state of an item, where it may go next; what was not bought also when another content takes its row."""

_B = BatchState
BATCH_MOVES: dict[BatchState, frozenset[BatchState]] = {
    _B.SEALED: frozenset({_B.SUBMITTED, _B.REFUSED, _B.UNKNOWN}),
    _B.SUBMITTED: frozenset({_B.ENDED, _B.UNKNOWN}),
    _B.ENDED: frozenset(),
    _B.REFUSED: frozenset(),
    _B.UNKNOWN: frozenset({_B.SUBMITTED, _B.SEALED, _B.REFUSED}),
}
"""From each state of a batch, where it may go next."""

IN_FLIGHT = frozenset({_I.READY, _I.DUPLICATE, _I.QUEUED, _I.SUBMITTED, _I.DOWNLOADING})
"""States that will change without anyone's help."""

IN_HANDS = frozenset({_I.QUEUED, _I.SUBMITTED, _I.DOWNLOADING})
"""States that only the stage which holds the item, or its batch, may end."""

BOUGHT = frozenset({_I.SUBMITTED, _I.DOWNLOADING, _I.DONE, _I.OUTCOME_UNKNOWN})
"""States in which money has, or may have, moved: the same content is not bought a second time."""

KEY_MEMORY = 24 * 3600.0
"""Seconds for which a service may be trusted to remember an idempotency key. Runflow publishes no
figure; Stripe keeps keys for at least 24 hours, and that is the field's custom."""


class Resume(StrEnum):
    """What a claimed batch needs next."""

    PREPARE = "prepare"
    """Nothing was tried: upload, then store the intent."""
    REPEAT = "repeat"
    """An intent exists: the same key and the same bytes once more."""
    LOOK_UP = "look_up"
    """The intent is too old for its key to be trusted: search by client_ref before anything else."""


def check_item(before: ItemState, after: ItemState) -> None:
    """Raise `IllegalTransition` unless an item may go from `before` to `after`."""
    if after not in ITEM_MOVES[before]:
        raise IllegalTransition(before, after)


def check_batch(before: BatchState, after: BatchState) -> None:
    """Raise `IllegalTransition` unless a batch may go from `before` to `after`."""
    if after not in BATCH_MOVES[before]:
        raise IllegalTransition(before, after)


def resume(intended_at: float | None, now: float) -> Resume:
    """How to go on with a sealed batch whose open intent, if any, dates from `intended_at` (epoch seconds).

    A clock that was set back makes the age negative; such an intent is looked up too, since its
    true age cannot be known.
    """
    if intended_at is None:
        return Resume.PREPARE
    return Resume.REPEAT if 0 <= now - intended_at < KEY_MEMORY else Resume.LOOK_UP
