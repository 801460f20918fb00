"""What it would cost to make files again: the price of each, what there is already, and what of the limits is left."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from runflowd.core.lifecycle import ItemState
from runflowd.core.model import LOCAL
from runflowd.core.money import Stop, dear_reason, too_dear
from runflowd.store.pauses import EVERY_RULE, pauses
from runflowd.store.prices import Priced, expected_prices
from runflowd.store.reserving import limits_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runflowd.core.model import Json, Rule
    from runflowd.core.money import Limit, Money, Price
    from runflowd.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Redo:
    """A content that would be sent once more, under which recipe, with which input; `pixels` as far as known."""

    content_hash: str
    recipe: str
    input: Json
    pixels: int | None


@dataclass(frozen=True, slots=True)
class Expected:
    """Plain data, in the order of the files. `known` is "known" where a result of that recipe is there or on its way,
    "doubt" where nobody knows whether it was bought, else "". `holds` are sentences why it would wait.
    """

    known: list[str]
    prices: list[dict[str, str] | None]
    holds: list[list[str]]
    limits: list[dict[str, str]]
    currency: str
    free: bool


def expect(
    connection: Connection, money: Money, rule: Rule, service: str, redos: Sequence[Redo], now: float
) -> Expected:
    """Say what making these files again would cost under a rule as it is now; reads only."""
    own, free = money.of(rule.name), service == LOCAL
    files = [Priced(each.recipe, each.input, each.pixels) for each in redos]
    prices = expected_prices(connection, own, service, rule.model, files, now, money.currency) if files else []
    prices = [None] * len(files) if free else prices
    limits = [] if free else limits_of(connection, money, rule.name, now)
    paused = [
        f"{each.subject} is paused: nothing is bought until somebody resumes it"
        for each in pauses(connection)
        if each.rule in {EVERY_RULE, rule.name}
    ]
    most = own.budget.per_file if own.budget.stop is not Stop.NOTIFY else None
    return Expected(
        known=[_known(connection, rule.name, each) for each in redos],
        prices=[_price_json(price) if price else None for price in prices],
        holds=[[*paused, *_holds(price, most, limits)] for price in prices],
        limits=[_limit_json(each) for each in limits],
        currency=money.currency,
        free=free,
    )


def _known(connection: Connection, rule: str, redo: Redo) -> str:
    named = {"content_hash": redo.content_hash, "recipe_hash": redo.recipe}
    row = connection.one("original", rule=rule, id=-1, **named)
    if row is None:
        return ""
    return "doubt" if row["state"] == ItemState.OUTCOME_UNKNOWN else "known"


def _holds(price: Price | None, most: Decimal | None, limits: Sequence[Limit]) -> list[str]:
    if too_dear(price, most):
        return [f"one {dear_reason(price, most)}: it is not bought"]
    full = [each for each in limits if each.stop is not Stop.NOTIFY and not each.fits(price, Decimal(0))]
    return [f"{each.key} has no room for it: it waits until that begins anew" for each in full]


def _price_json(price: Price) -> dict[str, str]:
    return {"low": format(price.low, "f"), "high": format(price.high, "f"), "source": price.source.value}


def _limit_json(limit: Limit) -> dict[str, Any]:
    return {
        "key": limit.key,
        "name": limit.name,
        "rule": limit.rule,
        "amount": format(limit.amount, "f"),
        "left": format(limit.left, "f"),
    }
