"""The pricing rules of a model (`GET /v1/models/{model_id}/pricing`), in pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.api import calls, catalog
from runflowd.api.envelopes import cursor, rows
from runflowd.api.redaction import redact
from runflowd.api.scalars import currency, first, identifier, money, text
from runflowd.core.pricing import PricingRule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runflowd.api.envelopes import Record
    from runflowd.api.session import Session
    from runflowd.core.model import Json

_PAGES = 5

UNKNOWN_INPUT = "an input that the model does not name"
"""The input of a rule whose `model_input_id` is none of the model's: whether it is for a file cannot be told."""


async def read_pricing(session: Session, model: str) -> tuple[PricingRule, ...]:
    """Return the rules of a model by `owner/slug` that are in force; none where its pricing is not published."""
    detail = await session.call(calls.MODEL, catalog.model(model), "models", *model.split("/"))
    names = {one.uid: one.name for one in detail.inputs if one.uid}
    found: list[PricingRule] = []
    query = {"limit": "100"}
    for _ in range(_PAGES):
        path = ("models", detail.uid or model, "pricing")
        page, following = await session.call(calls.PRICING, _page(names), *path, query=query)
        found += page
        if following is None or following == query.get("pq"):
            break
        query["pq"] = following
    return tuple(found)


def _page(names: Mapping[str, str]) -> Callable[[Json], tuple[list[PricingRule], str | None]]:
    def read(body: Json) -> tuple[list[PricingRule], str | None]:
        listed = (pricing_rule(row, names) for row in rows(body) if row.get("disabled_at") is None)
        return [rule for rule in listed if rule is not None], cursor(body)

    return read


def pricing_rule(row: Record, names: Mapping[str, str]) -> PricingRule | None:
    """Read one rule; None where its price makes no sense. `names` are those of the model's inputs by their ids."""
    price = money(row.get("price"))
    if price is None:
        return None
    asked = identifier(row.get("model_input_id"))
    return PricingRule(
        effect=_code(row, "rule_effect_code"),
        unit=_code(row, "unit_code"),
        price=price,
        currency=currency(row),
        input=names.get(asked, UNKNOWN_INPUT) if asked else "",
        match=redact(_plain(first(row, "match_value")), 200),
        dimension=_code(row, "dimension_code"),
        least=money(row.get("min_value")),
        most=money(row.get("max_value")),
    )


def _code(row: Record, name: str) -> str:
    return redact(text(row.get(name)), 60)


def _plain(value: Json) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return text(value) or (str(value) if isinstance(value, float) else "")
