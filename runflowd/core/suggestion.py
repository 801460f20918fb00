"""What may be meant by a name that there is not, and what is said about one."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from runflowd.core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

MAX_NAMES = 20
"""Names given at most; a configuration may have thousands."""


def closest(name: str, known: Iterable[str], *, likeliest: Collection[str] = (), cutoff: float = 0.6) -> str:
    """The one of `known` that `name` may be a misspelling of, of the `likeliest` before others; "" if none is alike.

    `cutoff` is how much it must be alike, 1 for the same.
    """
    near = get_close_matches(name, list(known), cutoff=cutoff)
    return next((each for each in near if each in likeliest), near[0] if near else "")


def unknown_name(kind: str, name: str, known: Collection[str]) -> str:
    """The sentence about a name that is none of the `known` ones of its kind, such as "rule"."""
    near = closest(name, known)
    meant = f"; did you mean {near!r}?" if near else "."
    names = sorted(known)
    more = f", and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    there = f"There are: {', '.join(names[:MAX_NAMES])}{more}." if names else "There are none."
    return f"there is no {kind} {printable(name)!r}{meant} {there}"
