"""Few rows in which every two choices of different switches stand together at least once.

Two switches that are each harmless may not be so together; more than two together hardly ever matter
(Kuhn, Wallace, Gallo: Software fault interactions and implications for software testing, 2004).
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Choice: TypeAlias = tuple[str, Any]


def pairwise(switches: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Greedy rows that cover every pair of choices; the same rows every time.

    Each row starts from a pair not yet seen, then gives every other switch the choice that meets most
    pairs not yet seen.
    """
    left = dict.fromkeys(pairs_of(switches))
    rows: list[dict[str, Any]] = []
    while left:
        row = dict(next(iter(left)))
        for name, choices in switches.items():
            if name not in row:
                row[name] = max(choices, key=lambda choice: _new(row, (name, choice), left))
        for pair in combinations(sorted(row.items()), 2):
            left.pop(pair, None)
        rows.append(row)
    return rows


def pairs_of(switches: Mapping[str, Sequence[Any]]) -> list[tuple[Choice, Choice]]:
    """Every two choices of different switches, in the order of names."""
    return [
        ((first, one), (second, other))
        for first, second in combinations(sorted(switches), 2)
        for one in switches[first]
        for other in switches[second]
    ]


def _new(row: Mapping[str, Any], added: Choice, left: Mapping[tuple[Choice, Choice], None]) -> int:
    return sum((added, have) in left or (have, added) in left for have in row.items())
