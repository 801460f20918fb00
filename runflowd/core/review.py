"""Which results a person judges, and where a result stands by what was said of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

HELD_FOLDER = ".runflowd-held"
"""Below the output folder: results that nobody has accepted yet. Scans ignore whatever begins so."""

REJECTED_FOLDER = "rejected"
"""Below the output folder: results that somebody rejected."""


REVIEW_NOTE = "_waiting-for-review.txt"
"""In the output folder: says how many results wait there out of sight. No rule takes it for an input."""


class ReviewMode(StrEnum):
    """When the results of a rule are judged."""

    OFF = "off"
    AFTER = "after"
    """They are delivered as ever, and judged where they are."""
    HOLD = "hold"
    """They are delivered once they are accepted."""


class Review(StrEnum):
    """How the result of an item stands with those who judge it."""

    NONE = "none"
    """Nobody is asked."""
    WAITING = "waiting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Place(StrEnum):
    """Where below the output folder a result stands."""

    OUTPUT = "output"
    HELD = "held"
    REJECTED = "rejected"


JUDGED = frozenset({Review.ACCEPTED, Review.REJECTED})
"""A verdict is in force."""

RELEASED = frozenset({Review.NONE, Review.ACCEPTED})
"""The result counts: what follows a success may follow."""

_FOLDERS = {Place.OUTPUT: "", Place.HELD: f"{HELD_FOLDER}/", Place.REJECTED: f"{REJECTED_FOLDER}/"}
_DRAWN = 8
"""Hexadecimal digits of a hash that draw a number: one in four thousand million is fine enough for a percentage."""


@dataclass(frozen=True, slots=True)
class ReviewPolicy:
    """When the results of a rule are judged, and which: so many percent of its contents."""

    mode: ReviewMode = ReviewMode.OFF
    which: int = 100

    def chooses(self, content_hash: str) -> bool:
        """Whether the result of a content is judged. Equal contents, and later tries of one, get the same answer.

        A higher percentage chooses all that a lower one does.
        """
        drawn = int(content_hash[:_DRAWN], 16)
        return self.mode is not ReviewMode.OFF and drawn * 100 < self.which << 4 * _DRAWN


UNREVIEWED = ReviewPolicy()


def standing(policy: ReviewPolicy, content_hash: str, *verdicts: Review) -> Review:
    """How a result stands that is about to be delivered: by the first of these verdicts in force; else it waits.

    They are its own, from before it was fetched again, and that on another file with the same result.
    """
    if not policy.chooses(content_hash):
        return Review.NONE
    return next((each for each in verdicts if each in JUDGED), Review.WAITING)


def place_of(review: Review, mode: ReviewMode) -> Place:
    """Where a result belongs."""
    if review is Review.REJECTED:
        return Place.REJECTED
    return Place.HELD if review is Review.WAITING and mode is ReviewMode.HOLD else Place.OUTPUT


def put_in(place: Place, relative: str) -> str:
    """The path of a result below the output folder, given the one that it has, or will have, when it is accepted."""
    return f"{_FOLDERS[place]}{relative}"
