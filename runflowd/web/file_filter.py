"""What somebody looks for among the files, as it stands in the address of a screen."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode

from runflowd.core.lifecycle import ItemState
from runflowd.core.periods import day_begins, day_ends
from runflowd.core.state_words import STATE_WORDS, counts_apart, state_word
from runflowd.store.browsing import Sought

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

STATES = {word.capitalize(): states for word, states in STATE_WORDS.items()}
"""The states as people see them, in the order in which a file passes them. Of what is done, some is to review."""

IN_FLIGHT = "In flight"
"""Those on their way to the service and back. What is ready waits for its batch, or for money or a person."""

CHOICES = {IN_FLIGHT: (ItemState.QUEUED, ItemState.SUBMITTED, ItemState.DOWNLOADING), **STATES}
"""All that can be asked for as a state, save `TO_REVIEW`."""

TO_REVIEW = "To review"
"""What else can be asked for in the place of a state: results that wait for a verdict."""

MAX_QUERY = 8192
"""Bytes of a query that are read."""


def count_of(word: str, counts: Mapping[ItemState, int], to_review: int) -> int:
    """How many files a list has that is asked for by this state; no file is in two of `STATES` and `TO_REVIEW`."""
    if word == TO_REVIEW:
        return to_review
    apart = counts_apart(counts, to_review)
    return sum(apart.get(state, 0) for state in CHOICES[word])


def word_of(state: ItemState) -> str:
    """The key of `STATES` under which a state is."""
    return state_word(state).capitalize()


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileFilter:
    """Each "" leaves a question open.

    `state` is a key of `CHOICES`, or `TO_REVIEW`; `batch` the id of one, which is left aside where that is asked for.
    `day` is the day on which a file ended, `2026-11-29`, `before` the id behind which a page begins, "" for the newest.
    `view` is "grid" or "list".
    """

    rule: str = ""
    folder: str = ""
    state: str = ""
    day: str = ""
    name: str = ""
    batch: str = ""
    before: str = ""
    view: str = ""

    @property
    def query(self) -> str:
        """As it stands behind the question mark of an address; names keep bytes that are no text."""
        given = {each.name: value for each in fields(self) if (value := getattr(self, each.name))}
        return urlencode(given, errors="surrogateescape")

    def at(self, path: str) -> str:
        """The address of a screen with this filter."""
        return f"{path}?{self.query}" if self.query else path

    def but(self, **changes: str) -> FileFilter:
        """The same with changes, from its first page on."""
        return replace(self, **{"before": "", **changes})

    def sought(self, zone: tzinfo | None) -> Sought:
        """What the store is asked for; what makes no sense is taken as left out."""
        return Sought(
            rule=self.rule,
            states=CHOICES.get(self.state, ()),
            to_review=self.state == TO_REVIEW,
            settled=self.state == word_of(ItemState.DONE),
            folder=self.folder.strip("/"),
            name=self.name,
            batch=self.batch,
            ended=_span(self.day, zone),
        )

    @property
    def start(self) -> int | None:
        """The id behind which the page begins."""
        return int(self.before) if re.fullmatch("[1-9][0-9]{0,17}", self.before, re.ASCII) else None


def filter_from(query: bytes) -> FileFilter:
    """The filter in the query of an address, which anybody may have written."""
    asked = parse_qs(query[:MAX_QUERY].decode("ascii", "replace"), errors="surrogateescape")
    return FileFilter(**{each.name: asked.get(each.name, [""])[0][:1000] for each in fields(FileFilter)})


def _span(day: str, zone: tzinfo | None) -> tuple[float, float] | None:
    try:
        return (day_begins(day, zone), day_ends(day, zone)) if _DAY.fullmatch(day) else None
    except (ValueError, OverflowError):
        return None
