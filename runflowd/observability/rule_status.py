"""The rules as people see them: those of the configuration, and those of which there are items still."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runflowd.core.state_words import counts_apart
from runflowd.observability.hosts import hosts_of_rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runflowd.config import Essentials
    from runflowd.core.lifecycle import ItemState
    from runflowd.store import Connection
    from runflowd.store.hosts import Host


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """One rule and its items. `watch`, `output` and `model` are empty for a rule that is not configured here.

    `host` is then the one that has it, "" where none is known: the rule was removed.
    """

    name: str
    watch: str
    output: str
    model: str
    counts: dict[ItemState, int]
    host: str = ""

    def count(self, *states: ItemState) -> int:
        """How many items are in any of the states."""
        return sum(self.counts.get(state, 0) for state in states)


def rule_statuses(
    connection: Connection, config: Essentials, counts: dict[str, dict[ItemState, int]], known: Sequence[Host]
) -> tuple[RuleStatus, ...]:
    """Every rule, given how many items each has by their state; those of the configuration first.

    What is configured elsewhere has one of the `known` hosts.
    """
    configured = [
        RuleStatus(rule.name, rule.watch, rule.output, rule.model, counts.get(rule.name, {})) for rule in config.rules
    ]
    names, elsewhere = {rule.name for rule in config.rules}, hosts_of_rules(connection, known)
    others = [
        RuleStatus(name, "", "", "", found, elsewhere.get(name, ""))
        for name, found in sorted(counts.items())
        if name not in names
    ]
    return (*configured, *others)


def rule_json(rule: RuleStatus, to_review: int) -> dict[str, Any]:
    """One rule for programs; `host` is the one that has it where it is not configured here, else ""."""
    return {
        "name": rule.name,
        "watch": rule.watch,
        "output": rule.output,
        "model": rule.model,
        "host": rule.host,
        "counts": counts_apart(rule.counts, to_review),
    }
