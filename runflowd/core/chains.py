"""Rules over one folder, and rules that take what another makes: who stands beside, before and after whom.

Folders are compared as text: the check of a configuration sees to it that one folder has one spelling.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runflowd.core.review import REJECTED_FOLDER

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Mapping

    from runflowd.core.model import Rule


def is_within(folder: str, root: str) -> bool:
    """Whether an absolute folder is `root` or lies below it."""
    return folder == root or folder.startswith(f"{root.rstrip('/')}/")


def beside(rules: Iterable[Rule], rule: Rule) -> list[Rule]:
    """The other rules over the folder of a rule."""
    return [each for each in rules if each.watch == rule.watch and each.name != rule.name]


def takers(rules: Iterable[Rule], rule: Rule) -> list[Rule]:
    """The rules that take what a rule makes."""
    return [each for each in rules if each.name != rule.name and is_within(each.watch, rule.output)]


def makers(rules: Iterable[Rule], rule: Rule) -> list[Rule]:
    """The rules that make what a rule takes."""
    return [each for each in rules if each.name != rule.name and is_within(rule.watch, each.output)]


def downstream(rule: Rule, rules: Collection[Rule]) -> tuple[Rule, ...]:
    """The rule itself, and every one that takes its results, or results made of them, by its watched folder.

    Their results must not come back to it as new inputs.
    """
    found = [rule]
    for maker in found:  # grows while it is gone through
        found += [each for each in rules if each not in found and _overlap(maker.output, each.watch)]
    return tuple(found)


def own_outputs(rules: Iterable[Rule]) -> list[str]:
    """The output folders that no rule watches: what happens in them is of our own making."""
    everyone = list(rules)

    return [each.output for each in everyone if not takers(everyone, each)]


def leaving_out_rejected(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The same rules, where those over the output folder of another leave out what was rejected there.

    Whether that one asks for verdicts now or did so before: what was rejected is not bought on.
    """
    everyone = list(rules)
    outputs = {each.output for each in everyone}
    pattern = f"/{REJECTED_FOLDER}/"
    return tuple(
        replace(each, exclude=(*each.exclude, pattern)) if each.watch in outputs else each for each in everyone
    )


def in_order(rules: Iterable[Rule]) -> list[Rule]:
    """The rules with those that make before those that take, else as they stand; in chains without loops."""
    waiting = list(rules)
    ordered: list[Rule] = []
    while waiting:
        first = next((each for each in waiting if not makers(waiting, each)), waiting[0])
        waiting.remove(first)
        ordered.append(first)

    return ordered


def loops(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """One way round for each loop in a graph, such as [a, b, a]; each name is in one of them at most."""
    found: list[list[str]] = []
    settled: set[Hashable] = set()
    for start in edges:
        way, ways = [start], [iter(edges[start])]
        while ways:
            step = next(ways[-1], None)
            if step is None:
                ways.pop()
                settled.add(way.pop())
            elif step in way:
                found.append([*way[way.index(step) :], step])
            elif step not in settled:
                way.append(step)
                ways.append(iter(edges.get(step, ())))

    return found


def _overlap(one: str, other: str) -> bool:
    return is_within(one, other) or is_within(other, one)
