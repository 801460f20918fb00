"""How a purchase is worded, and what follows when the service refuses the wording.

Two sources disagree on the body of a batch, no list says which models take batches, and nothing says
whether one bad item refuses the whole batch. So a validation refusal may mean any of several things,
and they are distinguished in the cheapest order: nothing is bought by a request that was refused.

Besides its items a body has fields that a service can do without. One that a refusal names is left out
from then on; the body of the guide, to the letter, is the last form tried before a batch is taken apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from runflowd.core.bodies import BatchItem, guide_body, reference_body, run_body

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from runflowd.core.model import Json


class Shape(StrEnum):
    """The ways to word a purchase."""

    GUIDE = "guide"
    """`{"items": [{"input": {...}}]}`, as in the guide "Batch process media"."""
    REFERENCE = "reference"
    """`{"input": [{...}]}`, as in the generated reference."""
    RUN = "run"
    """One run per item, for models that take no batches."""


METADATA, CLIENT_REF, CALLBACK_URL = "metadata", "client_ref", "callback_url"

OPTIONAL_FIELDS = frozenset({METADATA, CLIENT_REF, CALLBACK_URL})
"""Fields that serve our comfort alone: results are found without each of them."""


@dataclass(frozen=True, slots=True)
class BodyFormat:
    """One way to word a purchase: a shape, and the optional fields that are left out of it.

    Its text, such as `guide` or `guide-client_ref-metadata`, is what the state file keeps.
    """

    shape: Shape
    omitted: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return "-".join((self.shape, *sorted(self.omitted)))

    @classmethod
    def parse(cls, text: str) -> BodyFormat:
        """Read what `str` gave."""
        shape, *omitted = text.split("-")
        return cls(Shape(shape), frozenset(omitted))

    @property
    def bare(self) -> BodyFormat:
        """The same with nothing but what the guide shows: the items, and where to report their end."""
        return BodyFormat(self.shape, self.omitted | {CLIENT_REF, METADATA})

    @property
    def can_be_searched(self) -> bool:
        """Whether what is bought with it carries our references, so that it can be looked for."""
        return CLIENT_REF not in self.omitted


class Step(StrEnum):
    """What to do after a refusal."""

    OTHER_SHAPE = "other_shape"
    OMIT_FIELDS = "omit_fields"
    HOLD_RULE = "hold_rule"
    """The rule is at fault: its files wait until it is corrected."""
    DROP_ITEMS = "drop_items"
    SPLIT = "split"
    RUNS = "runs"


_ABOUT_BATCHES = re.compile(r"batch|binding|template", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Habits:
    """What a service was seen to take: its batch body, whether this model takes batches, fields it refuses."""

    confirmed: str | None = None
    takes_batches: str | None = None
    omitted: Mapping[Shape, frozenset[str]] | None = None

    def format_of(self, shape: Shape) -> BodyFormat:
        """A shape without the fields that this service refuses in it."""
        return BodyFormat(shape, (self.omitted or {}).get(shape, frozenset()))

    def batch_formats(self) -> tuple[BodyFormat, ...]:
        """The ways to word a batch, in the order in which they are tried; the guide's letter last."""
        guide, reference = self.format_of(Shape.GUIDE), self.format_of(Shape.REFERENCE)
        return guide, reference, reference.bare, guide.bare

    def next_format(self, refused: AbstractSet[BodyFormat]) -> BodyFormat:
        """The wording to use now, given those refused for these very items."""
        if self.takes_batches == "no":
            return self.format_of(Shape.RUN)
        if self.confirmed:
            return self.format_of(Shape(self.confirmed))
        formats = self.batch_formats()
        return next((each for each in formats if each not in refused), formats[0])


def other(shape: Shape) -> Shape:
    """The other of the two batch bodies."""
    return Shape.REFERENCE if shape is Shape.GUIDE else Shape.GUIDE


def body_of(body_format: BodyFormat, items: Sequence[BatchItem], metadata: Json, callback_url: str) -> bytes:
    """The exact bytes to post; for `Shape.RUN` those of the only item."""
    if not body_format.can_be_searched:
        items = [replace(item, client_ref="") for item in items]
    metadata = None if METADATA in body_format.omitted else metadata
    callback_url = "" if CALLBACK_URL in body_format.omitted else callback_url
    if body_format.shape is Shape.GUIDE:
        return guide_body(items, metadata, callback_url)
    if body_format.shape is Shape.REFERENCE:
        return reference_body(items, metadata, callback_url)
    (item,) = items
    return run_body(item, metadata, callback_url)


def after_refusal(  # noqa: PLR0911  one line for each step
    body_format: BodyFormat,
    habits: Habits,
    *,
    count: int,
    fields: AbstractSet[str],
    holds_rule: bool,
    pointed_at: AbstractSet[int],
    tried: AbstractSet[BodyFormat],
    blames_shape: bool,
    message: str,
) -> Step:
    """Decide about a batch of `count` items that was refused with a validation error.

    `fields` holds the optional fields that the error names and the body has, `holds_rule` whether it blames
    the rule, `pointed_at` the items it blames, `tried` every wording refused so far for these items.
    """
    if blames_shape and all(each.shape is not other(body_format.shape) for each in tried):
        return Step.OTHER_SHAPE
    if fields:
        return Step.OMIT_FIELDS
    if holds_rule:
        return Step.HOLD_RULE
    if any(0 <= index < count for index in pointed_at):
        return Step.DROP_ITEMS
    # Another batch may have found out meanwhile what the service takes.
    known = habits.batch_formats() if habits.confirmed is None else (habits.format_of(Shape(habits.confirmed)),)
    if any(each not in tried for each in known):
        return Step.OTHER_SHAPE
    if habits.takes_batches is None and _ABOUT_BATCHES.search(message):
        return Step.RUNS
    if count > 1:
        return Step.SPLIT
    # Even a model that took batches before may have ceased to: a run of its own tells what is true of the last item.
    return Step.RUNS
