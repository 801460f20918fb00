"""What a file costs by the catalogue's pricing rules: a range, or why it cannot be told.

The words of a rule (`rule_effect_code`, `unit_code`, `dimension_code`) are listed nowhere. Those below are the plain
ones; a rule in any other word is not guessed at, since a price that is too low lets limits be passed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from runflowd.core.money import Price

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runflowd.core.model import Json

_EACH = frozenset({"", "request", "run", "item", "call", "generation", "image", "file", "unit", "output"})
_SECOND = frozenset({"second", "seconds", "sec", "s"})
_MEGAPIXEL = frozenset({"megapixel", "megapixels", "mp"})
_BASE = frozenset({"", "base", "base_price", "set", "fixed", "flat", "tier", "override", "replace"})
_TIMES = frozenset({"multiplier", "multiply", "times", "factor"})
_PLUS = frozenset({"addition", "add", "addon", "add_on", "surcharge"})

_COUNTS = ("num_images", "num_outputs", "number_of_images", "n")
"""Inputs that say how many images are made; each is priced."""

_DURATIONS = ("duration", "duration_seconds", "seconds", "length")

_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(?:s|sec|seconds?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class PricingRule:
    """One pricing rule. `input` is the name of the input that it depends on, "" for none, and `match` its value.

    `least` and `most` bound the quantity of `dimension` that it is for. `currency` is "" where none is told.
    """

    effect: str
    unit: str
    price: Decimal
    currency: str = ""
    input: str = ""
    match: str = ""
    dimension: str = ""
    least: Decimal | None = None
    most: Decimal | None = None


def foreign_currency(rules: Iterable[PricingRule], currency: str) -> str:
    """The first currency in which a price is that is not in this one; "" where all are."""
    named = (rule.currency.strip().upper() for rule in rules)
    return next((each for each in named if each not in {"", currency}), "")


def price_range(rules: Iterable[PricingRule], given: Mapping[str, Json]) -> Price | str:
    """What a file costs at least and at most that is sent with these inputs, or why nobody can tell.

    All rules are taken to be in one currency (`foreign_currency`).

    An input that is not given has a default that the rules do not tell, so that each of its prices is possible.
    """
    fitting = [(rule, applies) for rule in rules if (applies := _applies(rule, given)) is not False]
    if why := next((why for rule, _ in fitting if (why := _unreadable(rule))), ""):
        return why
    base = _base([(rule, applies) for rule, applies in fitting if _word(rule.effect) in _BASE], given)
    if isinstance(base, str):
        return base
    low, high = base.low, base.high
    for rule, applies in fitting:
        if _word(rule.effect) in _TIMES:
            low *= rule.price if applies else min(rule.price, Decimal(1))
            high *= rule.price if applies else max(rule.price, Decimal(1))
    for rule, applies in fitting:
        if _word(rule.effect) in _PLUS:
            low += rule.price if applies else 0
            high += rule.price
    return Price(low, high) if high > 0 else "its price in the catalogue is 0, which is no price"


def _applies(rule: PricingRule, given: Mapping[str, Json]) -> bool | None:
    """Whether a rule is for these inputs; None where that depends on what is not known."""
    if rule.input:
        if rule.input not in given:
            return None
        return _text(given[rule.input]) == _word(rule.match)
    bounded = rule.least is not None or rule.most is not None
    quantity = _quantity(rule.dimension, given) if bounded else None
    if not bounded or quantity is None:
        return None if bounded else True
    return (rule.least is None or quantity >= rule.least) and (rule.most is None or quantity <= rule.most)


def _unreadable(rule: PricingRule) -> str:
    if _word(rule.effect) not in _BASE | _TIMES | _PLUS:
        return f"its pricing has a rule of an unknown kind, {rule.effect}"
    if _word(rule.unit) not in _EACH | _SECOND | _MEGAPIXEL and _word(rule.effect) in _BASE:
        return f"it is priced by the {rule.unit}, and how many a file has is not known"
    return ""


def _base(rules: list[tuple[PricingRule, bool | None]], given: Mapping[str, Json]) -> Price | str:
    """The range of the prices that the others multiply or add to: those for just these inputs before the general."""
    exact = [rule for rule, applies in rules if applies and (rule.input or rule.dimension)]
    chosen = exact or [rule for rule, _ in rules]
    costs: list[Decimal] = []
    for rule in chosen:
        quantities = _quantities(rule, given)
        if not quantities:
            return f"it is priced by the {rule.unit}, and how many a file has is not known"
        costs += [rule.price * quantity for quantity in quantities]
    return Price(min(costs), max(costs)) if costs else "the catalogue has no price for it"


def _quantities(rule: PricingRule, given: Mapping[str, Json]) -> list[Decimal]:
    """How many units a file has, at least and at most; none where that is not known."""
    unit = _word(rule.unit)
    if unit in _EACH:
        count = next((number for name in _COUNTS if (number := _number(given.get(name)))), Decimal(1))
        return [count if unit in {"image", "output"} else Decimal(1)]
    if (quantity := _quantity(unit, given)) is not None:
        return [quantity]
    return [rule.least or Decimal(0), rule.most] if rule.most is not None else []


def _quantity(unit: str, given: Mapping[str, Json]) -> Decimal | None:
    """How many seconds the inputs ask for; nothing tells the megapixels of a result."""
    if _word(unit) not in _SECOND | frozenset(_DURATIONS):
        return None
    return next((number for name in _DURATIONS if (number := _number(given.get(name)))), None)


def _number(value: Json) -> Decimal | None:
    found = None if isinstance(value, bool) else _NUMBER.fullmatch(str(value).strip().lower())
    return Decimal(found[1]) if found else None


def _word(text: str) -> str:
    return text.strip().lower()


def _text(value: Json) -> str:
    return _word(str(value).lower() if isinstance(value, bool) else str(value))
