"""Which rules work on what a rule made: their results must not come back to it as new inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from runflowd.core.model import Rule


def downstream(rule: Rule, rules: Collection[Rule]) -> tuple[Rule, ...]:
    """The rule itself, and every one that takes its results, or results made of them, by its watched folder."""
    found = [rule]
    for maker in found:  # grows while it is gone through
        found += [each for each in rules if each not in found and _overlap(maker.output, each.watch)]
    return tuple(found)


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
