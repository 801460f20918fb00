"""How a purchase is worded, and what follows when the service refuses the wording.

Two sources disagree on the body of a batch, no list says which models take batches, and nothing says
whether one bad item refuses the whole batch. So a validation refusal may mean any of three things,
and they are told apart in the cheapest order: nothing is bought by a request that was refused.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from runflowd.core.recipe import BatchItem, guide_body, reference_body, run_body

if TYPE_CHECKING:
    from runflowd.core.model import Json


class Shape(StrEnum):
    """The ways to word a purchase."""

    GUIDE = "guide"
    """`{"items": [{"input": {...}}]}`, as in the guide "Batch process media"."""
    REFERENCE = "reference"
    """`{"input": [{...}]}`, as in the generated reference."""
    RUN = "run"
    """One run per item, for models that take no batches."""


class Step(StrEnum):
    """What to do after a refusal."""

    OTHER_SHAPE = "other_shape"
    DROP_ITEMS = "drop_items"
    SPLIT = "split"
    RUNS = "runs"
    FAIL = "fail"


_ABOUT_BATCHES = re.compile(r"batch|binding|template", re.IGNORECASE)


def first_shape(confirmed: str | None, takes_batches: str | None) -> Shape:
    """The wording to begin with, given what this service and this model were seen to take."""
    if takes_batches == "no":
        return Shape.RUN
    return Shape(confirmed) if confirmed else Shape.GUIDE


def other(shape: Shape) -> Shape:
    """The other of the two batch bodies."""
    return Shape.REFERENCE if shape is Shape.GUIDE else Shape.GUIDE


def body_of(shape: Shape, items: list[BatchItem], metadata: Json, callback_url: str) -> bytes:
    """The exact bytes to post; for `Shape.RUN` those of the only item."""
    if shape is Shape.GUIDE:
        return guide_body(items, metadata, callback_url)
    if shape is Shape.REFERENCE:
        return reference_body(items, metadata, callback_url)
    (item,) = items
    return run_body(item, metadata, callback_url)


def after_refusal(
    shape: Shape,
    *,
    count: int,
    pointed_at: frozenset[int],
    tried: frozenset[Shape],
    confirmed: str | None,
    takes_batches: str | None,
    blames_shape: bool,
    message: str,
) -> Step:
    """Decide about a batch of `count` items that was refused with a validation error.

    `pointed_at` holds the items the error names, `tried` every shape refused so far for these items.
    """
    if shape is Shape.RUN:
        return Step.FAIL
    if any(0 <= index < count for index in pointed_at):
        return Step.DROP_ITEMS
    if other(shape) not in tried and (confirmed is None or blames_shape):
        return Step.OTHER_SHAPE
    if takes_batches is None and _ABOUT_BATCHES.search(message):
        return Step.RUNS
    if count > 1:
        return Step.SPLIT
    # Even a model that took batches before may have ceased to: a run of its own tells what is true of the last item.
    return Step.RUNS
