"""Which fields of a body are taken: the documented ones, or fewer, as the API variants say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runflowd.local.http.errors import problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.local.api_variants import ApiVariants

SHOWN = {
    "guide_strict": ("items", frozenset({"items", "callback_url"}), frozenset({"input"})),
    "reference_strict": ("input", frozenset({"input", "metadata", "callback_url"}), None),
}
"""Reading -> the list of items, the fields beside it, and the fields of an item (None: the model's own)."""


def refused_fields(api_variants: ApiVariants, body: Any, *, batch: bool) -> list[dict[str, Any]]:
    """Given a decoded body, return a problem for each field that is there and is not taken."""
    if not isinstance(body, dict):
        return []
    found = list(_named(api_variants.refused_field, body))
    if batch and api_variants.batch_body in SHOWN:
        found += _beyond(*SHOWN[api_variants.batch_body], body)
    told = ("Extra inputs are not permitted", "extra_forbidden")
    return [problem(("body", *loc), *told) for loc in dict.fromkeys(found)]


def _named(name: str, body: dict[str, Any]) -> Iterator[tuple[str | int, ...]]:
    if name in body:
        yield (name,)
    for items in ("items", "input"):
        for index, item in _items(body.get(items)):
            if name in item:
                yield (items, index, name)


def _beyond(
    items: str, fields: frozenset[str], of_item: frozenset[str] | None, body: dict[str, Any]
) -> Iterator[tuple[str | int, ...]]:
    yield from ((name,) for name in body if name not in fields)
    for index, item in _items(body.get(items)):
        yield from ((items, index, name) for name in item if of_item is not None and name not in of_item)


def _items(value: Any) -> list[tuple[int, dict[str, Any]]]:
    return [(n, item) for n, item in enumerate(value) if isinstance(item, dict)] if isinstance(value, list) else []
