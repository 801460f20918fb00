"""Reads what the service says about itself: models, the account, the balance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.api.envelopes import record, rows
from runflowd.api.redaction import redact
from runflowd.api.scalars import first, identifier, money, shallow, text
from runflowd.api.values import Credit, Identity, ModelDetail, ModelInput
from runflowd.core.declared import Declared

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.core.model import Json


def credit(body: Json) -> Credit | None:
    """Return the balance in dollars from any of its three documented shapes; None when there is none."""
    entries = rows(body)
    one = entries[0] if entries else record(body)
    raw = first(one, "balance", "balance_usd")
    if isinstance(raw, dict):
        one, raw = raw, first(raw, "balance", "balance_usd", "amount")
    cents = money(one.get("balance_cents"), debt=True) if raw is None else None
    balance = money(raw, debt=True) if cents is None else cents / 100
    return None if balance is None else Credit(balance, money(one.get("low_balance_threshold")))


def model(asked: str) -> Callable[[Json], ModelDetail]:
    """Return a reader for the detail of the model that was asked for as `asked`."""

    def read(body: Json) -> ModelDetail:
        one = record(body)
        inputs = (_input(row) for row in rows({"items": one.get("inputs")}))
        found = _summary(one)
        known = tuple(one for one in inputs if one.name)
        return ModelDetail(asked, found.name, found.description, known, found.uid)

    return read


def declared_inputs(detail: ModelDetail) -> tuple[Declared, ...]:
    """The inputs of a model, as what a rule gives is held against them; one with a default may be left out."""
    return tuple(
        Declared(
            one.name,
            one.kind,
            one.required and one.default is None,
            one.minimum,
            one.maximum,
            one.choices,
            one.description,
        )
        for one in detail.inputs
    )


def models(body: Json) -> tuple[ModelDetail, ...]:
    """Read a page of the catalog."""
    return tuple(found for row in rows(body) if (found := _summary(row)).id)


def _summary(one: dict[str, Json]) -> ModelDetail:
    creator = first(one, "model_creator", "creator", "owner")
    owner = text(first(creator, "slug", "id")) if isinstance(creator, dict) else text(creator)
    slug = text(first(one, "full_slug", "slug", "id"))
    return ModelDetail(
        id=redact(slug if "/" in slug or not owner else f"{owner}/{slug}", 300),
        name=redact(text(one.get("name")), 300),
        description=redact(text(one.get("description")), 2000),
        uid=identifier(one.get("id")),
    )


def _input(row: dict[str, Json]) -> ModelInput:
    default = row.get("default_value")
    limits = row.get("validator_attrs")
    limits = limits if isinstance(limits, dict) else {}
    return ModelInput(
        name=redact(text(row.get("name")), 200),
        kind=redact(text(first(row, "variable_type_code", "type")), 60),
        required=first(row, "is_required", "required") is True,
        default=default if shallow(default) else None,
        description=redact(text(row.get("description")), 2000),
        minimum=_limit(first(limits, *_LEAST)),
        maximum=_limit(first(limits, *_MOST)),
        choices=_choices(first(limits, *_CHOICES)),
        uid=identifier(row.get("id")),
    )


_LEAST = ("min", "minimum", "min_value", "ge")
_MOST = ("max", "maximum", "max_value", "le")
_CHOICES = ("choices", "enum", "options", "allowed_values", "values")
"""No page shows what is in `validator_attrs`; these are the words that frameworks use. Others set no limit."""

_MOST_CHOICES = 200


def _limit(value: Json) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
    return float(value) if usable else None


def _choices(value: Json) -> tuple[str, ...]:
    """The values of a list of scalars, or of objects with a `value`; anything else is no limit."""
    listed = value if isinstance(value, list) and len(value) <= _MOST_CHOICES else []
    plain = [first(one, "value", "code", "name") if isinstance(one, dict) else one for one in listed]
    if not all(isinstance(one, str | int | float) for one in plain):
        return ()
    return tuple(redact(str(one).lower() if isinstance(one, bool) else str(one), 200) for one in plain)


def identity(body: Json) -> Identity:
    """Read the account a key belongs to."""
    one = record(body)
    memberships = rows({"items": one.get("memberships")})
    organizations = (_organization(row.get("org")) for row in memberships)
    scopes = [scope for row in memberships for scope in _words(row.get("scopes"))] + _words(one.get("scopes"))
    return Identity(
        id=identifier(one.get("id")),
        email=redact(text(one.get("email")), 300),
        organizations=tuple(name for name in organizations if name),
        scopes=tuple(dict.fromkeys(scopes)),
    )


def _organization(value: Json) -> str:
    return redact(text(first(value, "slug", "name", "id")), 200) if isinstance(value, dict) else ""


def _words(value: Json) -> list[str]:
    listed = value[:500] if isinstance(value, list) else []
    return [redact(word, 80) for word in listed if isinstance(word, str)]
