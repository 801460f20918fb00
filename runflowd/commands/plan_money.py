"""What a plan says of money: prices of single files, what they cost together, what limits let through, what is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runflowd.commands.formatting import money
from runflowd.core.approval import Waiting, judge, slots
from runflowd.core.currency import USD
from runflowd.core.money import Limit, Price, Stop, UnknownPrice
from runflowd.core.outlay import Outlay, let_through
from runflowd.core.undeliverable import recipe_of
from runflowd.store.approvals import approval_of, waiting_for_approval
from runflowd.store.prices import REFRESH, Priced, age_of_pricing, currency_hold, expected_prices
from runflowd.store.reserving import every_limit
from runflowd.store.spending import usual_price

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from decimal import Decimal

    from runflowd.app.catalog_prices import ServiceAnswers
    from runflowd.config import Config
    from runflowd.core.model import Rule
    from runflowd.store import Connection

REMEMBERED = 1024
"""Prices remembered of a rule, by recipe and size."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What lets some of the files through that would be bought: its key, how many, of how many, and what is left.

    `left` is None for what is no sum of money; `remedy` is what lets the others through.
    """

    key: str
    files: int
    of: int
    amount: Decimal | None = None
    left: Decimal | None = None
    remedy: str = ""


def stale_models(connection: Connection, config: Config, rules: Iterable[Rule], now: float) -> list[str]:
    """The models whose price the catalogue is to be asked for: of rules without one, not asked about lately."""
    own, service = config.money_in_force, config.service.name
    wanted = sorted({rule.model for rule in rules if own.of(rule.name).price is None})
    return [model for model in wanted if age_of_pricing(connection, service, model, now) >= REFRESH]


def prices_of(
    connection: Connection, config: Config, answers: ServiceAnswers, rule: Rule, now: float
) -> Callable[[Priced], Price | None]:
    """What files of a rule cost; with `local` what the hosted service would take, by what it took of late."""
    own, service = config.money_in_force, config.service.name
    if config.service.local is not None:
        usual = usual_price(connection, service, rule.model)
        return lambda _: None if usual is None else Price(usual, usual)
    known: dict[tuple[str | None, int | None], Price | None] = {}

    def look(file: Priced) -> Price | None:
        key = file.recipe, file.pixels
        if key not in known:
            if len(known) >= REMEMBERED:
                known.clear()
            listed, money_of = answers.prices.get(rule.model), own.of(rule.name)
            found = expected_prices(connection, money_of, service, rule.model, [file], now, own.currency, listed=listed)
            known[key] = found[0]
        return known[key]

    return look


def gates(
    connection: Connection, config: Config, answers: ServiceAnswers, rule: Rule, outlay: Outlay, now: float
) -> Iterator[Gate]:
    """What of a rule stands between its files and a purchase now, each by itself."""
    whole, of = config.money_in_force, outlay.files
    own = whole.of(rule.name)
    if not of or config.service.local is not None:
        return
    listed = answers.prices.get(rule.model)
    if held := currency_hold(connection, whole, rule.name, config.service.name, rule.model, now, listed=listed):
        yield Gate("money.currency", 0, of, remedy=f"{held.message}. {held.remedy}")
        return
    limits = [each for each in every_limit(connection, whole, [rule.name], now) if each.stop is not Stop.NOTIFY]
    yield from (_of_limit(limit, outlay) for limit in limits if limit.rule)
    if own.budget.per_file is not None and own.budget.stop is not Stop.NOTIFY:
        key = f"rules.{rule.name}.budget.per_file"
        yield Gate(key, of - outlay.above(own.budget.per_file), of, own.budget.per_file)
    if outlay.unknown and own.unknown_price is not UnknownPrice.ALLOW and whole.needs_price(rule.name):
        bought = of - outlay.unknown + (own.unknown_price is UnknownPrice.ASK)
        yield Gate(f"rules.{rule.name}.unknown_price", bought, of)
    recipe = recipe_of(rule)
    known = approval_of(connection, rule.name, recipe)
    cost = None if outlay.unknown else Price(outlay.low, outlay.high)
    passing = slots(own.approve, judge(own.approve, known, Waiting(of, cost)))
    if passing is not None:
        lets = f"`runflowd approve {rule.name}` lets the others pass"
        asked = waiting_for_approval(connection, rule.name, recipe) > 0
        remedy = lets if asked else f"once the daemon or `runflowd sync` has bought these, {lets}"
        yield Gate(f"rules.{rule.name}.approve", min(passing, of), of, remedy=remedy if passing < of else "")


def common_gates(connection: Connection, config: Config, outlay: Outlay, now: float) -> list[Gate]:
    """What the limits of all rules together let through."""
    if config.service.local is not None:
        return []
    limits = every_limit(connection, config.money_in_force, (), now)
    return [_of_limit(limit, outlay) for limit in limits if limit.stop is not Stop.NOTIFY]


def _of_limit(limit: Limit, outlay: Outlay) -> Gate:
    passing = let_through(limit, outlay)
    left = None if outlay.unknown else passing.left
    return Gate(limit.key, passing.files, outlay.files, limit.amount, left)


def gate_words(gate: Gate, currency: str) -> str:
    """Such as `money.budget.per_day lets 3 of 10 files through now, and $0.10 of $1.00 is left then`."""
    if not gate.of and gate.left is not None:
        return f"{gate.key}: {money(gate.left, currency)} of {money(gate.amount, currency)} is left"
    unpriced = gate.amount is not None and gate.left is None and not gate.key.endswith(".per_file")
    said = f"{gate.key} lets {'up to ' if unpriced else ''}{gate.files} of {gate.of} through now"
    if gate.left is not None:
        said += f", and {money(gate.left, currency)} of {money(gate.amount, currency)} is left then"
    elif unpriced:
        said += ", how many depends on a price that is unknown"
    return f"{said}; {gate.remedy}" if gate.remedy else said


def cost_words(outlay: Outlay, config: Config) -> str:
    """What files cost, in words behind their number; "" for none."""
    local = config.service.local is not None
    currency = USD if local else config.money.currency
    if not outlay.files:
        return ""
    if outlay.unknown == outlay.files:
        return ", price unknown"
    low, high = money(outlay.low, currency), money(outlay.high, currency)
    about = f", {'hosted, ' if local else ''}about {low if low == high else f'{low} to {high}'}"
    return f"{about}, and {outlay.unknown} of unknown price" if outlay.unknown else about


def balance_words(balance: Decimal | None, outlay: Outlay) -> str:
    """What is on the account, and what would be left of it if all of these files were bought."""
    if balance is None:
        return "what the account has is unknown: the service was not asked, or did not answer"
    said = f"the account has {money(balance)}"
    if outlay.unknown or not outlay.files:
        return said
    if outlay.high > balance:
        return f"{said}, which is not enough for all {outlay.files} files; the service refuses what it does not cover"
    low, high = money(balance - outlay.high), money(balance - outlay.low)
    return f"{said}, and about {low if low == high else f'{low} to {high}'} once all {outlay.files} files are bought"


def outlay_json(outlay: Outlay) -> dict[str, Any]:
    """The same for programs: `low` and `high` are without the files of unknown price."""
    return {
        "files": outlay.files,
        "low": format(outlay.low, "f"),
        "high": format(outlay.high, "f"),
        "unknown_price": outlay.unknown,
    }


def gate_json(gate: Gate) -> dict[str, Any]:
    """One gate for programs, amounts as decimal text."""
    amounts = {"amount": gate.amount, "left": gate.left}
    plain = {name: None if amount is None else format(amount, "f") for name, amount in amounts.items()}
    return {"key": gate.key, "files": gate.files, "of": gate.of, **plain, "remedy": gate.remedy}
