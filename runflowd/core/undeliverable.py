"""When results that are paid for and cannot be delivered stop a rule: before it buys more of them.

What a rule buys by one recipe is alike. So the first result that cannot be delivered tells of the recipe, as long
as none was; after that it may be one file's, and three in a row tell.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from runflowd.core.recipe import canonical_json

if TYPE_CHECKING:
    from runflowd.core.model import Rule

IN_A_ROW = 3
"""Results in a row that cannot be delivered and stop a rule that has delivered before."""

DELIVERED, NEVER = "delivered", "never"


def recipe_of(rule: Rule) -> str:
    """The name of what a rule buys, whatever its files are: an edit that changes it is another try."""
    facts = {"model": rule.model, "input": rule.input, "select": rule.select, "files": rule.files}
    return hashlib.sha256(canonical_json(facts)).hexdigest()


def after_success() -> str:
    """What is remembered of a recipe once a result of it was delivered."""
    return f"{DELIVERED} 0"


def after_failure(remembered: str) -> str:
    """What is remembered once a result could not be delivered, given what was; "" for nothing."""
    word, _, count = (remembered or f"{NEVER} 0").partition(" ")
    return f"{word} {int(count) + 1}"


def stops(remembered: str) -> bool:
    """Whether a recipe of which this is remembered is not to be bought any more."""
    word, _, count = remembered.partition(" ")
    return int(count) >= (IN_A_ROW if word == DELIVERED else 1)
