"""What it would cost to make files again: the price of each, what there is already, and what of the limits is left."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from runflowd.core.approval import Waiting, approval_hold, judge, slots
from runflowd.core.incident_scope import CREDIT, SERVICE, ScopeKind
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import LOCAL
from runflowd.core.money import Stop, dear_reason, too_dear
from runflowd.core.undeliverable import recipe_of
from runflowd.store.approvals import approval_of
from runflowd.store.pauses import EVERY_RULE, pauses
from runflowd.store.prices import Priced, expected_prices
from runflowd.store.reports import incidents
from runflowd.store.reserving import limits_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runflowd.core.approval_policy import ApprovalPolicy
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
    stopped = [*_paused(connection, rule.name), *_unapproved(connection, rule, own.approve)]
    stopped += [] if free else _troubles(connection, rule.name)
    most = own.budget.per_file if own.budget.stop is not Stop.NOTIFY else None
    return Expected(
        known=[_known(connection, rule.name, each) for each in redos],
        prices=[_price_json(price) if price else None for price in prices],
        holds=[[*stopped, *_holds(price, most, limits)] for price in prices],
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


def _paused(connection: Connection, rule: str) -> Iterator[str]:
    for each in pauses(connection):
        if each.rule in {EVERY_RULE, rule}:
            yield f"{each.subject} is paused: nothing is bought until somebody resumes it"


def _unapproved(connection: Connection, rule: Rule, approve: ApprovalPolicy) -> Iterator[str]:
    one = Waiting(1)
    known = judge(approve, approval_of(connection, rule.name, recipe_of(rule)), one)
    if slots(approve, known) == 0:
        hold = approval_hold(rule.name, approve, known, one)
        yield f"{hold.message}. {hold.remedy}"


def _troubles(connection: Connection, rule: str) -> Iterator[str]:
    """What keeps all purchases back at present, as an account without credit."""
    scopes = {str(scope) for scope in (SERVICE, CREDIT, ScopeKind.RULE.of(rule))}
    for each in incidents(connection):
        if each.scope in scopes:
            yield f"{each.message}. {each.remedy}"


def _holds(price: Price | None, most: Decimal | None, limits: Sequence[Limit]) -> list[str]:
    if too_dear(price, most):
        return [f"one {dear_reason(price, most)}: it is not bought"]
    full = [each for each in limits if each.stop is not Stop.NOTIFY and not each.fits(price, Decimal(0))]
    return [f"{each.key} has no room for it: it waits until that begins anew, or somebody raises it" for each in full]


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
