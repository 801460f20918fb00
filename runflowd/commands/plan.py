"""`runflowd plan`: what `sync` would send now, and why the rest would not be sent."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import advice, money
from runflowd.commands.options import config_option, find_config, json_option
from runflowd.commands.shell_complete import rule_names
from runflowd.config import load
from runflowd.core.chains import in_order, takers
from runflowd.core.incident_scope import CREDIT, SERVICE, ScopeKind
from runflowd.core.printable import printable
from runflowd.core.suggestion import unknown_rule
from runflowd.core.units import size_text
from runflowd.pipeline.intake.fates import Fate, Planned
from runflowd.pipeline.intake.onward import Onward
from runflowd.pipeline.intake.planning import Planning
from runflowd.store.configuration import ensure_own
from runflowd.store.plans import open_for_plan
from runflowd.store.reports import incidents
from runflowd.store.rule_edits import elsewhere_messages, results_elsewhere
from runflowd.store.spending import usual_price
from runflowd.system.paths import state_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runflowd.config import Config
    from runflowd.core.model import Rule
    from runflowd.store import Connection
    from runflowd.store.reports import Incident

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
class Tally:
    """What was found of one rule: numbers for all fates, and the first few files of those that are named.

    `price` is what the service took of late; with `local` nobody is paid, and it is what the hosted one would take.
    """

    price: Decimal | None
    local: bool = False
    counts: Counter[Fate] = field(default_factory=Counter)
    sizes: Counter[Fate] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    coming: Counter[str] = field(default_factory=Counter)
    first: defaultdict[Fate, list[Planned]] = field(default_factory=lambda: defaultdict(list))

    def add(self, planned: Planned, most: int) -> None:
        """Count a file."""
        self.counts[planned.fate] += 1
        self.sizes[planned.fate] += planned.size
        if planned.fate is Fate.LEFT_OUT and (planned.why in self.reasons or len(self.reasons) < MAX_REASONS):
            self.reasons[planned.why] += 1
        if planned.fate in TITLES and len(self.first[planned.fate]) < most:
            self.first[planned.fate].append(planned)

    @property
    def cost(self) -> Decimal | None:
        """What would be paid; None where no price is known."""
        return self._cost_of(self.counts[Fate.BUY])

    @property
    def cost_of_coming(self) -> Decimal | None:
        """What would be paid at most for what other rules make."""
        return self._cost_of(self.coming.total())

    def _cost_of(self, number: int) -> Decimal | None:
        if not number:
            return Decimal(0)
        return None if self.price is None else self.price * number


@click.command()
@config_option
@json_option
@click.option("--rule", "only", shell_complete=rule_names, help="Only files of this rule.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(0), help="Files named at most in a group.")
def command(place: Path | None, only: str | None, limit: int, *, as_json: bool) -> None:
    """Show by rule what `sync` would send now, about what that costs, and why other files would not be sent.

    Nothing is sent, and nothing is written down. New files are read, since their content decides whether
    they are bought, and each must stand still for as long as the rule says. The price is what the model cost
    of late. A daemon may run meanwhile; the state file must be readable for whoever asks.
    """
    config = load(find_config(place))
    rules = [rule for rule in in_order(config.rules) if only in {None, rule.name}]
    if only is not None and not rules:
        raise CommandError(unknown_rule(only, [rule.name for rule in config.rules]), Exit.USAGE)
    state = state_path(config)
    with open_for_plan(state) as connection:
        ensure_own(connection, state, config.source)
        if as_json:
            _stream(connection, config, rules)
        else:
            _show(connection, config, rules, limit)


def _show(connection: Connection, config: Config, rules: list[Rule], limit: int) -> None:
    planning = Planning(connection, config.limits, time.monotonic, time.sleep, config.rules, config.money_in_force)
    onward = Onward(config.rules)
    tallies: list[Tally] = []
    for rule in rules:
        tally = _tally(connection, config, rule)
        for planned in planning.plan(rule):
            tally.add(planned, limit)
            onward.follow(rule, planned)
        onward.end(rule)
        tally.coming = onward.coming[rule.name]
        for line in _lines(rule, tally):
            click.echo(line)
        for line in _onward(config, rule, onward):
            click.echo(line)
        for sentence in elsewhere_messages(connection, rule):
            click.echo(f"  {sentence}")
        tallies.append(tally)
    bought = sum(tally.counts[Fate.BUY] for tally in tallies)
    size = sum(tally.sizes[Fate.BUY] for tally in tallies)
    click.echo(click.style(f"In all {_files(bought)} would be bought, {size_text(size)}{_cost(tallies)}.", bold=True))
    if later := sum(tally.coming.total() for tally in tallies):
        more = f"Then up to {_files(later)} more, as results go on from rule to rule"
        click.echo(click.style(f"{more}{_cost(tallies, coming=True)}.", bold=True))
    for each in _held_up(connection, rules):
        click.echo(advice(f"Held up now by {each.code}", each.message, each.remedy))


def _tally(connection: Connection, config: Config, rule: Rule) -> Tally:
    price = usual_price(connection, config.service.name, rule.model)
    return Tally(price, local=config.service.local is not None)


def _held_up(connection: Connection, rules: list[Rule]) -> list[Incident]:
    """What keeps the daemon from buying anything now, or anything for these rules."""
    own = (kind.of(rule.name) for rule in rules for kind in (ScopeKind.RULE, ScopeKind.BUDGET, ScopeKind.PER_FILE))
    scopes = {str(scope) for scope in (SERVICE, CREDIT, *own)}
    return [each for each in incidents(connection) if each.scope in scopes]


def _lines(rule: Rule, tally: Tally) -> Iterator[str]:
    yield click.style(f"{printable(rule.name)} ({printable(rule.model)})", bold=True)
    for fate, title in TITLES.items():
        if not tally.counts[fate]:
            continue
        size = f", {size_text(tally.sizes[fate])}{_cost([tally])}" if fate is Fate.BUY else ""
        yield f"  {_files(tally.counts[fate])} {title}{size}"
        for planned in tally.first[fate]:
            yield f"    {printable(planned.path)}{f': {printable(planned.why)}' if planned.why else ''}"
        if (more := tally.counts[fate] - len(tally.first[fate])) > 0:
            yield f"    and {more} more"
    others = {Fate.DONE: "done", Fate.UNDER_WAY: "under way", Fate.LEFT_OUT: "left out"}
    yield f"  {', '.join(f'{tally.counts[fate]} {words}' for fate, words in others.items())}"
    for reason, number in tally.reasons.most_common(MAX_REASONS):
        yield f"    {number}: {printable(reason)}"


def _onward(config: Config, rule: Rule, onward: Onward) -> Iterator[str]:
    """What comes to a rule from others, and where its results go on to."""
    for maker, number in onward.coming[rule.name].items():
        yield f"  up to {_files(number)} would come from rule {printable(maker)}"
    if found := takers(config.rules, rule):
        yield f"  its results go on to rule {', '.join(printable(each.name) for each in found)}"


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"


def _cost(tallies: list[Tally], *, coming: bool = False) -> str:
    """What would be paid, in words behind a number of files; with `coming`, for what rules make for others."""
    about = "hosted, about" if any(tally.local for tally in tallies) else "about"
    costs = [tally.cost_of_coming if coming else tally.cost for tally in tallies]
    known = [cost for cost in costs if cost is not None]
    total = sum(known, Decimal(0))
    if len(known) == len(tallies):
        return f", {about} {money(total)}" if total else ""
    return f", {about} {money(total)} and what has no known price" if total else ", price unknown"


def _stream(connection: Connection, config: Config, rules: list[Rule]) -> None:
    """One JSON document, written file by file: there may be a million of them."""
    planning = Planning(connection, config.limits, time.monotonic, time.sleep, config.rules, config.money_in_force)
    onward = Onward(config.rules)
    summaries: list[dict[str, Any]] = []
    separator = "\n"
    click.echo('{"files": [', nl=False)
    for rule in rules:
        tally = _tally(connection, config, rule)
        for planned in planning.plan(rule):
            tally.add(planned, 0)
            entry = {
                "then": onward.follow(rule, planned),
                "rule": rule.name,
                "path": printable(planned.path),
                "fate": planned.fate.value,
                "size": planned.size,
                "code": planned.code,
                "why": printable(planned.why),
            }
            click.echo(separator + json.dumps(entry, ensure_ascii=False), nl=False)
            separator = ",\n"
        onward.end(rule)
        tally.coming = onward.coming[rule.name]
        summaries.append(_summary(rule, tally) | {"results_elsewhere": dict(results_elsewhere(connection, rule))})
    held_up = [
        {"code": each.code, "message": each.message, "remedy": each.remedy} for each in _held_up(connection, rules)
    ]
    rest = json.dumps({"rules": summaries, "held_up": held_up}, indent=2, ensure_ascii=False)
    click.echo(f"\n], {rest.removeprefix('{').lstrip()}")


def _summary(rule: Rule, tally: Tally) -> dict[str, Any]:
    return {
        "name": rule.name,
        "model": rule.model,
        "counts": {fate.value: tally.counts[fate] for fate in Fate},
        "bytes": tally.sizes[Fate.BUY],
        "price": None if tally.price is None else str(tally.price),
        "cost": None if tally.cost is None else str(tally.cost),
        "coming": dict(tally.coming),
    }
