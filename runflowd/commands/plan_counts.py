"""What a plan finds of each rule: files counted by what becomes of them, and what they would cost."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from runflowd.app.catalog_prices import ask_service
from runflowd.commands.plan_money import Gate, common_gates, gates, prices_of, stale_models
from runflowd.core.outlay import Outlay
from runflowd.pipeline.intake.fates import Fate, Planned
from runflowd.pipeline.intake.onward import Onward
from runflowd.pipeline.intake.planning import Planning
from runflowd.store.prices import Priced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.app.catalog_prices import ServiceAnswers
    from runflowd.config import Config
    from runflowd.core.model import Rule
    from runflowd.store import Connection

TITLES = {
    Fate.BUY: "would be bought",
    Fate.TAKE: "would take a result along, at no cost",
    Fate.WAIT: "would wait",
    Fate.FAIL: "would fail",
    Fate.ASK: "failed or in doubt before: `runflowd retry PATH` tries one again",
}
"""Fates whose files are named; of the others their number is enough."""

MAX_REASONS = 20
"""Reasons listed, with numbers, why files are left out."""


@dataclass(slots=True)
class PlanCounts:
    """What was found of one rule: numbers for all fates, and the first few files of those that are named.

    `outlay` is what its files would cost, `coming` how many more other rules would make for it at most, by their names,
    and `later` what those would cost.
    """

    files: Counter[Fate] = field(default_factory=Counter)
    sizes: Counter[Fate] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    coming: Counter[str] = field(default_factory=Counter)
    outlay: Outlay = field(default_factory=Outlay)
    later: Outlay = field(default_factory=Outlay)
    first: defaultdict[Fate, list[Planned]] = field(default_factory=lambda: defaultdict(list))

    def add(self, planned: Planned, most: int) -> None:
        """Count a file."""
        self.files[planned.fate] += 1
        self.sizes[planned.fate] += planned.size
        if planned.fate is Fate.BUY:
            self.outlay.prices[planned.price] += 1
        if planned.fate is Fate.LEFT_OUT and (planned.why in self.reasons or len(self.reasons) < MAX_REASONS):
            self.reasons[planned.why] += 1
        if planned.fate in TITLES and len(self.first[planned.fate]) < most:
            self.first[planned.fate].append(planned)


class Planner:
    """Plans rules one by one, with what their files would cost."""

    def __init__(self, connection: Connection, config: Config, rules: list[Rule]) -> None:
        self.connection, self.config, self.rules = connection, config, rules
        self.now = time.time()
        self.onward = Onward(config.rules)
        models = stale_models(connection, config, rules, self.now)
        self.answers: ServiceAnswers = anyio.run(ask_service, config, models)
        money = config.money_in_force
        self._planning = Planning(connection, config.limits, time.monotonic, time.sleep, config.rules, money)

    def plan(self, rule: Rule, counts: PlanCounts, named: int) -> Iterator[tuple[Planned, list[str]]]:
        """Every file of a rule, counted, and the rules that would take its result."""
        price = prices_of(self.connection, self.config, self.answers, rule, self.now)
        for planned in self._planning.plan(rule, price):
            counts.add(planned, named)
            yield planned, self.onward.follow(rule, planned)
        self.onward.end(rule)
        counts.coming = self.onward.coming[rule.name]
        if counts.coming:
            counts.later.prices[price(Priced(None, rule.input))] += counts.coming.total()

    def gates(self, rule: Rule, counts: PlanCounts) -> list[Gate]:
        """What lets some of its files through."""
        return list(gates(self.connection, self.config, self.answers, rule, counts.outlay, self.now))

    def common(self, outlay: Outlay) -> list[Gate]:
        """What the limits of all rules let through."""
        return common_gates(self.connection, self.config, outlay, self.now)
