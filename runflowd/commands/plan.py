"""`runflowd plan`: what `sync` would send now, and why the rest would not be sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import advice, print_lines, quoted, say
from runflowd.commands.options import config_option, find_config, json_option
from runflowd.commands.plan_counts import MAX_REASONS, TITLES, PlanCounts, Planner
from runflowd.commands.plan_money import (
    balance_words,
    cost_words,
    gate_json,
    gate_words,
    outlay_json,
)
from runflowd.commands.shell_complete import rule_names
from runflowd.config import load
from runflowd.core.chains import in_order, takers
from runflowd.core.incident_scope import CREDIT, SERVICE, ScopeKind
from runflowd.core.outlay import Outlay
from runflowd.core.printable import printable
from runflowd.core.suggestion import unknown_name
from runflowd.core.units import size_text
from runflowd.pipeline.intake.fates import Fate, Planned
from runflowd.store.configuration import ensure_own
from runflowd.store.plans import open_for_plan
from runflowd.store.reports import incidents
from runflowd.store.rule_edits import elsewhere_messages, results_elsewhere
from runflowd.system.paths import state_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runflowd.config import Config
    from runflowd.core.model import Rule
    from runflowd.pipeline.intake.onward import Onward
    from runflowd.store import Connection
    from runflowd.store.reports import Incident


@click.command()
@config_option
@json_option
@click.option("--limit", default=20, show_default=True, type=click.IntRange(0), help="Files named at most in a group.")
@click.argument("only", metavar="[RULE]", required=False, shell_complete=rule_names)
def command(place: Path | None, only: str | None, limit: int, *, as_json: bool) -> None:
    """Show by rule what `sync` would send now, what that costs, and why other files would not be sent; or of one RULE.

    No file is sent, and nothing is written down. New files are read, since their content decides whether
    they are bought, and each must stand still for as long as the rule says. The catalogue is asked for prices that are
    not known, if there is a key; what it does not answer within 3 s is said to be unknown. Of each limit it is said how
    many files it lets through now, and what is left of it then. A daemon may run meanwhile; the state file must be
    readable for whoever asks.
    """
    config = load(find_config(place))
    rules = [rule for rule in in_order(config.rules) if only in {None, rule.name}]
    if only is not None and not rules:
        raise CommandError(unknown_name("rule", only, [rule.name for rule in config.rules]), Exit.USAGE)
    state = state_place(config)
    with open_for_plan(state) as connection:
        ensure_own(connection, state, config.source)
        planner = Planner(connection, config, rules)
        if as_json:
            _stream(planner)
        else:
            _show(planner, limit)


def _show(planner: Planner, limit: int) -> None:
    config, all_counts = planner.config, [PlanCounts() for _ in planner.rules]
    currency = config.money.currency
    for rule, counts in zip(planner.rules, all_counts, strict=True):
        for _ in planner.plan(rule, counts, limit):
            pass
        print_lines([*_lines(rule, counts, config), *_onward(config, rule, planner.onward)])
        for gate in planner.gates(rule, counts):
            say(f"  {gate_words(gate, currency)}")
        for sentence in elsewhere_messages(planner.connection, rule):
            say(f"  {sentence}")
    outlay, later = Outlay.of(counts.outlay for counts in all_counts), Outlay.of(counts.later for counts in all_counts)
    size = size_text(sum(counts.sizes[Fate.BUY] for counts in all_counts))
    whole = f"In all {_files(outlay.files)} would be bought, {size}{cost_words(outlay, config)}."
    say(click.style(whole, bold=True))
    for gate in planner.common(outlay):
        say(f"  {gate_words(gate, currency)}")
    if config.service.local is None:
        say(f"  {balance_words(planner.answers.balance, outlay)}")
    if later.files:
        more = f"Then up to {_files(later.files)} more, as results go on from rule to rule{cost_words(later, config)}."
        say(click.style(more, bold=True))
    for each in _held_up(planner.connection, planner.rules):
        say(advice(f"Held up now by {each.code}", each.message, each.remedy))


def _held_up(connection: Connection, rules: list[Rule]) -> list[Incident]:
    """What keeps the daemon from buying anything now, or anything for these rules."""
    own = (kind.of(rule.name) for rule in rules for kind in (ScopeKind.RULE, ScopeKind.BUDGET, ScopeKind.PER_FILE))
    scopes = {str(scope) for scope in (SERVICE, CREDIT, *own)}
    return [each for each in incidents(connection) if each.scope in scopes]


def _lines(rule: Rule, counts: PlanCounts, config: Config) -> Iterator[str]:
    yield click.style(f"{printable(rule.name)} ({printable(rule.model)})", bold=True)
    for fate, title in TITLES.items():
        if not counts.files[fate]:
            continue
        size = f", {size_text(counts.sizes[fate])}{cost_words(counts.outlay, config)}" if fate is Fate.BUY else ""
        yield quoted(f"  {_files(counts.files[fate])} {title}{size}")
        for planned in counts.first[fate]:
            yield f"    {printable(planned.path)}{f': {printable(planned.why)}' if planned.why else ''}"
        if (more := counts.files[fate] - len(counts.first[fate])) > 0:
            yield f"    and {more} more"
    if sealed := counts.files[Fate.SEALED]:
        yield f"  {_files(sealed)} in a batch that is not known to be bought"
    others = {Fate.DONE: "done", Fate.UNDER_WAY: "under way", Fate.LEFT_OUT: "left out"}
    yield f"  {', '.join(f'{counts.files[fate]} {words}' for fate, words in others.items())}"
    for reason, number in counts.reasons.most_common(MAX_REASONS):
        yield f"    {number}: {printable(reason)}"


def _onward(config: Config, rule: Rule, onward: Onward) -> Iterator[str]:
    """What comes to a rule from others, and where its results go on to."""
    for maker, number in onward.coming[rule.name].items():
        yield f"  up to {_files(number)} would come from rule {printable(maker)}"
    if found := takers(config.rules, rule):
        yield f"  its results go on to rule {', '.join(printable(each.name) for each in found)}"


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"


def _stream(planner: Planner) -> None:
    """One JSON document, written file by file: there may be a million of them."""
    summaries: list[dict[str, Any]] = []
    outlays: list[Outlay] = []
    separator = "\n"
    click.echo('{"files": [', nl=False)
    for rule in planner.rules:
        counts = PlanCounts()
        for planned, then in planner.plan(rule, counts, 0):
            click.echo(separator + json.dumps(_entry(rule, planned, then), ensure_ascii=False), nl=False)
            separator = ",\n"
        elsewhere = dict(results_elsewhere(planner.connection, rule))
        found = [gate_json(gate) for gate in planner.gates(rule, counts)]
        summaries.append(_summary(rule, counts) | {"limits": found, "results_elsewhere": elsewhere})
        outlays.append(counts.outlay)
    whole, balance = Outlay.of(outlays), planner.answers.balance
    rest = {
        "rules": summaries,
        "total": outlay_json(whole),
        "limits": [gate_json(gate) for gate in planner.common(whole)],
        "balance": None if balance is None else format(balance, "f"),
        "balance_after": None if balance is None or whole.unknown else format(balance - whole.high, "f"),
        "held_up": [
            {"code": each.code, "message": each.message, "remedy": each.remedy}
            for each in _held_up(planner.connection, planner.rules)
        ],
    }
    say(f"\n], {json.dumps(rest, indent=2, ensure_ascii=False).removeprefix('{').lstrip()}")


def _entry(rule: Rule, planned: Planned, then: list[str]) -> dict[str, Any]:
    price = planned.price
    return {
        "then": then,
        "rule": rule.name,
        "path": printable(planned.path),
        "fate": planned.fate.value,
        "size": planned.size,
        "code": planned.code,
        "why": printable(planned.why),
        "low": None if price is None else format(price.low, "f"),
        "high": None if price is None else format(price.high, "f"),
    }


def _summary(rule: Rule, counts: PlanCounts) -> dict[str, Any]:
    return {
        "name": rule.name,
        "model": rule.model,
        "counts": {fate.value: counts.files[fate] for fate in Fate},
        "bytes": counts.sizes[Fate.BUY],
        **outlay_json(counts.outlay),
        "coming": dict(counts.coming),
    }
