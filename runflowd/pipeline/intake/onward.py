"""Where the results of a plan would go on to: rules that take what others make."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from runflowd.core.chains import takers
from runflowd.core.model import OutputPath
from runflowd.core.naming import EXTENSIONS, UnsafePathError, output_path
from runflowd.pipeline.intake.fates import Fate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runflowd.core.model import Rule
    from runflowd.pipeline.intake.fates import Planned

MADE = frozenset({Fate.BUY, Fate.TAKE, Fate.SEALED, Fate.UNDER_WAY})
"""Fates after which there is a result that was not there before."""


class Onward:
    """Counts what comes to each rule from others, as far as that is known before the results are there.

    Rules are to be planned with those that make before those that take. What a result is, and so the end of its
    name, is only known then; so a rule is counted in if its patterns take it under any.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self.coming: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def follow(self, rule: Rule, planned: Planned) -> list[str]:
        """Count a planned file for the rules that would take its result, and name them."""
        if planned.fate not in MADE:
            return []
        places = list(_places(rule, planned.path))
        names = [taker.name for taker in takers(self._rules, rule) if _takes(taker, places)]
        for name in names:
            self.coming[name][rule.name] += 1
        return names

    def end(self, rule: Rule) -> None:
        """All files of a rule are planned; what comes to it from others goes on from it, too."""
        if number := self.coming[rule.name].total():
            for taker in takers(self._rules, rule):
                self.coming[taker.name][rule.name] += number


def _takes(taker: Rule, places: list[OutputPath]) -> bool:
    inside = (place.below(taker.watch) for place in places)
    return any(below is not None and taker.matcher.matches(below) for below in inside)


def _places(rule: Rule, path: str) -> Iterator[OutputPath]:
    """Where the result of a file may appear."""
    for extension in EXTENSIONS.values():
        try:
            yield OutputPath(rule.output, output_path(rule, path, extension))
        except UnsafePathError:
            return
