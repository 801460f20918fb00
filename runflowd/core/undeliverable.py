"""When results that are paid for and cannot be delivered stop a rule: before it buys more of them.

What a rule buys by one recipe is alike. So the first result that cannot be delivered tells of the recipe, as long
as none was; after that it may be one file's, and three in a row tell. A result that may still come is in doubt: it
counts like a lost one as long as it is, for what costs nothing but time is to wait for it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from runflowd.core.recipe import canonical_json

if TYPE_CHECKING:
    from runflowd.core.model import Rule

IN_A_ROW = 3
"""Results in a row that cannot be delivered and stop a rule that has delivered before."""

DELIVERED, NEVER = "delivered", "never"


class _Known(NamedTuple):
    """What is remembered of a recipe: how many results were lost since the last success, which items are in doubt."""

    word: str
    lost: int
    doubtful: tuple[int, ...]

    @property
    def most(self) -> int:
        return IN_A_ROW if self.word == DELIVERED else 1

    @property
    def text(self) -> str:
        return " ".join(map(str, (self.word, self.lost, *self.doubtful)))


def recipe_of(rule: Rule) -> str:
    """The name of what a rule buys, whatever its files are: an edit that changes it is another try."""
    facts = {"model": rule.model, "input": rule.input, "select": rule.select, "files": rule.files}
    return hashlib.sha256(canonical_json(facts)).hexdigest()


def after_success() -> str:
    """What is remembered of a recipe once a result of it was delivered."""
    return _Known(DELIVERED, 0, ()).text


def after_failure(remembered: str, item: int) -> str:
    """What is remembered once the result of an item could not be delivered, given what was; "" for nothing."""
    known = _known(remembered)
    doubtful = tuple(each for each in known.doubtful if each != item)
    return known._replace(lost=known.lost + 1, doubtful=doubtful).text


def after_doubt(remembered: str, item: int) -> str:
    """What is remembered once a try to deliver the result of an item failed, and another may succeed.

    No more items are kept than can matter.
    """
    known = _known(remembered)
    if item in known.doubtful or len(known.doubtful) >= IN_A_ROW:
        return known.text
    return known._replace(doubtful=(*known.doubtful, item)).text


def stops(remembered: str) -> bool:
    """Whether a recipe of which this is remembered is not to be bought any more."""
    known = _known(remembered)
    return known.lost >= known.most


def holds(remembered: str) -> bool:
    """Whether nothing is to be bought by a recipe of which this is remembered before its doubts are settled."""
    known = _known(remembered)
    return known.lost + len(known.doubtful) >= known.most


def _known(remembered: str) -> _Known:
    word, lost, *doubtful = (remembered or f"{NEVER} 0").split()
    return _Known(word, int(lost), tuple(map(int, doubtful)))
