"""What is told about a rule that there is not: the one that may be meant, and those that there are."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from runflowd.core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_NAMES = 20
"""Rules named at most; a configuration may have thousands."""


def unknown_rule(name: str, known: Collection[str]) -> str:
    """Given a name that is none of the `known` rules, return the sentence about it."""
    near = get_close_matches(name, known, n=1)
    meant = f"; did you mean {near[0]!r}?" if near else "."
    names = sorted(known)
    more = f", and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    there = f"There are: {', '.join(names[:MAX_NAMES])}{more}." if names else "There are none."
    return f"there is no rule {printable(name)!r}{meant} {there}"
