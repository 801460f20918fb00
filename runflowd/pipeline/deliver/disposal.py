"""Whether a source may go: only when every rule over its folder that takes it has what it wanted of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.chains import beside
from runflowd.core.lifecycle import ItemState
from runflowd.core.rules import Matcher
from runflowd.store.items import item_at
from runflowd.store.outputs import outputs_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.core.model import Rule
    from runflowd.store import Connection
    from runflowd.store.items import Item


class Disposal:
    """Knows the rules beside a rule, and asks the state file how far they are."""

    def __init__(self) -> None:
        self._matchers: dict[str, tuple[Rule, Matcher]] = {}

    def others(self, rules: Mapping[str, Rule], rule: Rule, path: str) -> list[str]:
        """The other rules over the folder of a rule that take the file at a path, by name."""
        return [each.name for each in beside(rules.values(), rule) if self._matcher(each).matches(path)]

    def _matcher(self, rule: Rule) -> Matcher:
        known = self._matchers.get(rule.name)
        if known is None or known[0] != rule:
            known = self._matchers[rule.name] = (rule, Matcher(rule))
        return known[1]


def unserved(connection: Connection, others: list[str], item: Item) -> list[str]:
    """The rules of these that have not yet succeeded with the content of an item.

    To be asked in the transaction that records the results of the item itself: of two rules that end at the same
    time the second one sees the first.
    """
    return [rule for rule in others if not _is_served(connection, item_at(connection, rule, item.path), item)]


def _is_served(connection: Connection, other: Item | None, item: Item) -> bool:
    if other is None:
        return False
    if other.state is ItemState.SKIPPED:  # left alone on purpose
        return True
    if other.content_hash != item.content_hash:
        return False
    if other.state is ItemState.DOWNLOADING:
        outputs = outputs_of(connection, other.id)
        return bool(outputs) and all(output.written for output in outputs)
    return other.state is ItemState.DONE
