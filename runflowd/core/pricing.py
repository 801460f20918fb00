"""What a file costs by the catalogue's pricing rules: a range, or why it cannot be told.

The words of a rule (`rule_effect_code`, `unit_code`, `dimension_code`) are listed nowhere. Those below are the plain
ones; a rule in any other word is not guessed at, since a price that is too low lets limits be passed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from runflowd.core.money import Price

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runflowd.core.model import Json

MEGA = 10**6
"""Pixels of a megapixel."""

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


@dataclass(frozen=True, slots=True)
class _Sent:
    """What a price may depend on."""

    given: Mapping[str, Json]
    pixels: int | None

    def number(self, names: Iterable[str]) -> Decimal | None:
        """The first of these inputs that is a number."""
        return next((number for name in names if (number := _number(self.given.get(name)))), None)

    def quantity(self, unit: str) -> list[Decimal]:
        """How many units a file has, at least and at most; none where that is not known.

        Megapixels are those of the image that is sent. Whether a part of one is billed as a whole is written nowhere.
        """
        if _word(unit) in _SECOND | frozenset(_DURATIONS):
            seconds = self.number(_DURATIONS)
            return [] if seconds is None else [seconds]
        if _word(unit) not in _MEGAPIXEL or self.pixels is None:
            return []
        exact = Decimal(self.pixels) / MEGA
        return [exact, exact.to_integral_value(ROUND_CEILING)]


def price_range(rules: Iterable[PricingRule], given: Mapping[str, Json], pixels: int | None = None) -> Price | str:
    """What a file costs at least and at most that is sent with these inputs, or why nobody can tell.

    All rules are taken to be in one currency (`foreign_currency`).

    An input that is not given has a default that the rules do not tell, so that each of its prices is possible.
    `pixels` are those of the file, None where they are not known.
    """
    sent = _Sent(given, pixels)
    fitting = [(rule, applies) for rule in rules if (applies := _applies(rule, sent)) is not False]
    if why := next((why for rule, _ in fitting if (why := _unreadable(rule))), ""):
        return why
    base = _base([(rule, applies) for rule, applies in fitting if _word(rule.effect) in _BASE], sent)
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


def _applies(rule: PricingRule, sent: _Sent) -> bool | None:
    """Whether a rule is for these inputs; None where that depends on what is not known."""
    if rule.input:
        if rule.input not in sent.given:
            return None
        return _text(sent.given[rule.input]) == _word(rule.match)
    if rule.least is None and rule.most is None:
        return True
    fits = {
        (rule.least is None or quantity >= rule.least) and (rule.most is None or quantity <= rule.most)
        for quantity in sent.quantity(rule.dimension)
    }
    return fits.pop() if len(fits) == 1 else None


def _unreadable(rule: PricingRule) -> str:
    if _word(rule.effect) not in _BASE | _TIMES | _PLUS:
        return f"its pricing has a rule of an unknown kind, {rule.effect}"
    if _word(rule.unit) not in _EACH | _SECOND | _MEGAPIXEL and _word(rule.effect) in _BASE:
        return f"it is priced by the {rule.unit}, and how many a file has is not known"
    return ""


def _base(rules: list[tuple[PricingRule, bool | None]], sent: _Sent) -> Price | str:
    """The range of the prices that the others multiply or add to: those for just these inputs before the general."""
    exact = [rule for rule, applies in rules if applies and (rule.input or rule.dimension)]
    perhaps = [rule for rule, applies in rules if applies is None and rule.dimension]
    chosen = [*exact, *perhaps] if exact else [rule for rule, _ in rules]
    costs: list[Decimal] = []
    for rule in chosen:
        quantities = _quantities(rule, sent)
        if not quantities:
            return f"it is priced by the {rule.unit}, and how many a file has is not known"
        costs += [rule.price * quantity for quantity in quantities]
    return Price(min(costs), max(costs)) if costs else "the catalogue has no price for it"


def _quantities(rule: PricingRule, sent: _Sent) -> list[Decimal]:
    """How many units of a rule a file has, at least and at most; none where that is not known."""
    unit = _word(rule.unit)
    if unit in _EACH:
        return [sent.number(_COUNTS) or Decimal(1)] if unit in {"image", "output"} else [Decimal(1)]
    return sent.quantity(unit) or ([rule.least or Decimal(0), rule.most] if rule.most is not None else [])


def _number(value: Json) -> Decimal | None:
    found = None if isinstance(value, bool) else _NUMBER.fullmatch(str(value).strip().lower())
    return Decimal(found[1]) if found else None


def _word(text: str) -> str:
    return text.strip().lower()


def _text(value: Json) -> str:
    return _word(str(value).lower() if isinstance(value, bool) else str(value))
