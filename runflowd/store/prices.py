"""What a file of a rule costs: as the rule says, as the catalogue says, or as was charged of late."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from runflowd.core.currency import USD
from runflowd.core.money import Price, PriceSource, price_of
from runflowd.core.other_currency import charged_in, priced_in
from runflowd.core.pricing import PricingRule, foreign_currency, price_range
from runflowd.store.connection import stored_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runflowd.core.model import Json
    from runflowd.core.money import Hold, Money, RuleMoney
    from runflowd.store.connection import Connection, Row

LATEST = 20
"""Charges from which a price is taken."""

CHARGES_READ = 200
"""Charges of a model among which those of the same recipe are looked for."""

MAX_AGE = 7 * 24 * 3600.0
"""Seconds after which what the catalogue said is no price any more."""

REFRESH = 6 * 3600.0
"""Seconds after which the catalogue is asked again."""

_AMOUNTS = ("price", "least", "most")


@dataclass(frozen=True, slots=True)
class Priced:
    """What the price of a file depends on: its recipe, the inputs that it is sent with, and how many pixels it has."""

    recipe: str | None
    input: Json
    pixels: int | None = None


def priced(row: Row) -> Priced:
    """What the price of an item depends on, by its row."""
    return Priced(row["recipe_hash"], json.loads(row["input"]) if row["input"] else None, row["pixels"])


def prices_key(model: str) -> str:
    """Under which key it is stored what the catalogue says of a model."""
    return f"pricing:{model}"


def save_pricing(connection: Connection, service: str, model: str, rules: Iterable[PricingRule], now: float) -> None:
    """Remember what the catalogue says of a model at `now` (epoch seconds)."""
    found = [{key: _plain(value) for key, value in asdict(rule).items()} for rule in rules]
    text = json.dumps({"at": now, "rules": found})
    connection.run("save_value", service=service, key=prices_key(model), value=text)


def ask_anew(connection: Connection, model: str, now: float) -> None:
    """Have the catalogue asked about a model again; until it answers, what it said counts."""
    connection.run("age_pricing", key=prices_key(model), at=now - REFRESH)


def _plain(value: Decimal | str | None) -> str | None:
    return format(value, "f") if isinstance(value, Decimal) else value


def stored_pricing(connection: Connection, service: str, model: str, now: float) -> tuple[PricingRule, ...]:
    """What the catalogue said of a model, none where that is too old, or was never asked."""
    age, rows = _stored(connection, service, model, now)
    return tuple(map(_rule, rows)) if age < MAX_AGE else ()


def _rule(row: dict[str, Any]) -> PricingRule:
    amounts = {key: Decimal(row[key]) for key in _AMOUNTS if row[key] is not None}
    return PricingRule(**{**row, **amounts})


def age_of_pricing(connection: Connection, service: str, model: str, now: float) -> float:
    """Seconds since the catalogue was asked about a model; infinite where it never was, or the clock was set back."""
    return _stored(connection, service, model, now)[0]


def _stored(connection: Connection, service: str, model: str, now: float) -> tuple[float, list[dict[str, Any]]]:
    text = stored_value(connection, service, prices_key(model))
    if not text:
        return math.inf, []
    known = json.loads(text)
    age = now - known["at"]
    return age if age >= 0 else math.inf, known["rules"]


def expected_prices(
    connection: Connection,
    money: RuleMoney,
    service: str,
    model: str,
    files: Sequence[Priced],
    now: float,
    currency: str = USD,
    *,
    listed: tuple[PricingRule, ...] | None = None,
) -> list[Price | None]:
    """What files cost in a currency, each by its inputs; None where nobody knows.

    As the rule says; else as the catalogue says; else as the same recipe was charged of late, or else its model. So
    the price of a dear recipe is not that of the others. Where a recipe was charged more than the catalogue says,
    that is its highest price. `listed` is what the catalogue has just said, where that is not stored.
    """
    if money.price is not None:
        return [Price(money.price, money.price, PriceSource.RULE)] * len(files)
    rules = _listed(connection, service, model, now, listed)
    rules = () if foreign_currency(rules, currency) else rules
    rows = connection.all("last_charges", service=service, model=model, currency=currency, limit=CHARGES_READ)
    charged: defaultdict[str, list[Decimal]] = defaultdict(list)
    for row in rows:
        charged[row["recipe_hash"] or ""].append(Decimal(row["amount"]))
    usual = price_of([Decimal(row["amount"]) for row in rows[:LATEST]])
    own = {recipe: price_of(amounts[:LATEST]) for recipe, amounts in charged.items()}
    return [_expected(rules, file, own.get(file.recipe or ""), usual) for file in files]


def currency_hold(
    connection: Connection,
    money: Money,
    rule: str,
    service: str,
    model: str,
    now: float,
    *,
    listed: tuple[PricingRule, ...] | None = None,
) -> Hold | None:
    """What holds a rule that would buy in another currency than that of the configuration, if anything does.

    That is the last charge of its model, unless the rule was let go on since, and else the catalogue's price, which is
    `listed` where that is not stored.
    """
    last = connection.one("charged_last", service=service, model=model, rule=rule)
    if last is not None and last["currency"] != money.currency:
        return charged_in(last["currency"], Decimal(last["amount"]), rule, money.currency)
    if money.of(rule).price is not None:
        return None
    found = foreign_currency(_listed(connection, service, model, now, listed), money.currency)
    return priced_in(found, rule, money.currency) if found else None


def _listed(
    connection: Connection, service: str, model: str, now: float, listed: tuple[PricingRule, ...] | None
) -> tuple[PricingRule, ...]:
    return stored_pricing(connection, service, model, now) if listed is None else listed


def _expected(rules: tuple[PricingRule, ...], file: Priced, own: Price | None, usual: Price | None) -> Price | None:
    given = file.input if isinstance(file.input, dict) else {}
    listed = price_range(rules, given, file.pixels) if rules else ""
    if not isinstance(listed, Price):
        return own or usual
    return Price(listed.low, max(listed.high, own.high) if own else listed.high, PriceSource.CATALOGUE)
