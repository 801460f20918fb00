"""From the reference's JSON to another reading of it, as small functions over one mapping at a time.

`rewrite` walks a document from the inside out and hands each mapping to the rules that the API variants ask
for. What a client sent (`metadata`, `input`) is echoed untouched. With the default API variants there are no
rules and no walk.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, TypeAlias

from runflowd.local.http.shapes import TERMINAL
from runflowd.local.identity import as_ulid

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.local.api_variants import ApiVariants

Mapping: TypeAlias = dict[str, Any]
ECHOED = frozenset({"metadata", "input"})
ESSENTIAL = frozenset(
    {
        "id", "run_id", "batch_id", "asset_id", "upload_url", "url", "status_code", "status", "items", "output",
        "outputs", "image_urls", "sequence_index", "client_ref", "code", "message", "next", "next_pq", "balance",
        "run", "failure_code", "failure_message", "inputs", "name", "plain_secret", "event", "slug",
    }
)  # fmt: skip
"""Fields that no reading takes away: without them there is nothing to be tolerant about."""

ID_KEYS = frozenset({"id", "run_id", "batch_id", "asset_id", "org_id", "model_id", "delivery_id"})


def _status(to: str) -> Callable[[Mapping], Mapping]:
    def rule(fields: Mapping) -> Mapping:
        word = fields.get("status_code")
        if isinstance(word, str):
            fields["status"] = word
            if to == "status":
                del fields["status_code"]
        return fields

    return rule


def _words(words: dict[str, str]) -> Callable[[Mapping], Mapping]:
    def rule(fields: Mapping) -> Mapping:
        for key in ("status_code", "status", *(("code",) if "is_terminal" in fields else ())):
            if isinstance(fields.get(key), str):
                fields[key] = words.get(fields[key], fields[key])
        return fields

    return rule


def _settled(fields: Mapping) -> Mapping:
    # Where another reading takes the counters away, nobody could tell that such a batch has ended.
    if fields.get("items_total") and fields.get("status_code") in TERMINAL:
        fields["status_code"] = "settled"
    return fields


def _failure_sample(fields: Mapping) -> Mapping:
    if "failure_stage_code" in fields:
        fields["failure_stage"] = fields.pop("failure_stage_code")
    return fields


def _failure_error(fields: Mapping) -> Mapping:
    if "failure_code" in fields:
        code, message = fields.pop("failure_code"), fields.pop("failure_message", None)
        fields.pop("failure_stage_code", None)
        fields["error"] = {"code": code, "message": message} if code else None
    return fields


def _failure_reason(fields: Mapping) -> Mapping:
    if "failure_code" in fields:
        fields["failure_reason"] = fields.pop("failure_message", None)
        fields.pop("failure_code")
        fields.pop("failure_stage_code", None)
    return fields


def _item_failure(fields: Mapping) -> Mapping:
    if "sequence_index" in fields and "run" in fields:
        run = fields.pop("run") or {}
        fields.pop("error", None)
        error = run.get("error") or {}
        fields["failure_message"] = run.get("failure_message") or run.get("failure_reason") or error.get("message")
    return fields


def _sequence(fields: Mapping) -> Mapping:
    if "sequence_index" in fields:
        fields["sequence_index"] += 1
    return fields


def _items(kind: str) -> Callable[[Mapping], Mapping]:
    def rule(fields: Mapping) -> Mapping:
        items = fields.get("items")
        if isinstance(items, list) and items and isinstance(items[0], dict) and "sequence_index" in items[0]:
            fields["items"] = ARRANGED[kind](items)
        return fields

    return rule


def _shuffled(items: list[Any]) -> list[Any]:
    """Another order for two or more, the same one every time."""
    return items[1::2] + items[::2]


ARRANGED: dict[str, Callable[[list[Any]], list[Any]]] = {
    "shuffled": _shuffled,
    "doubled": lambda items: [item for item in items for _ in range(2)],
    "missing": lambda items: items[:-1],
}


def _counters(fields: Mapping) -> Mapping:
    return {key: value for key, value in fields.items() if key != "items"} if "items_total" in fields else fields


def _bare(fields: Mapping) -> Mapping:
    return {key: value for key, value in _counters(fields).items() if not key.startswith("items_")}


def _cost(convert: Callable[[str], float | None]) -> Callable[[Mapping], Mapping]:
    def rule(fields: Mapping) -> Mapping:
        if isinstance(fields.get("cost"), str):
            fields["cost"] = convert(fields["cost"])
        return fields

    return rule


def _missing(fields: Mapping) -> Mapping:
    return {key: value for key, value in fields.items() if key in ESSENTIAL or not _is_record(fields)}


def _null(fields: Mapping) -> Mapping:
    kept = ESSENTIAL if _is_record(fields) else fields
    return {key: value if key in kept else None for key, value in fields.items()}


def _extra(fields: Mapping) -> Mapping:
    return {**fields, "unheard_of": {"nested": [1, None, "x"]}, "x": 1.5} if _is_record(fields) else fields


def _is_record(fields: Mapping) -> bool:
    return "id" in fields


def _ids(*, prefixed: bool) -> Callable[[Mapping], Mapping]:
    def rule(fields: Mapping) -> Mapping:
        kind = "batch_" if "items_total" in fields else "item_" if "sequence_index" in fields else "id_"
        for key in ID_KEYS & fields.keys():
            prefix = key.removesuffix("id") or kind
            if _is_uuid(fields[key]):
                fields[key] = (prefix if prefixed else "") + as_ulid(fields[key])
        return fields

    return rule


def _is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and len(value) == 36 and bool(uuid.UUID(value))
    except ValueError:
        return False


RULES: dict[str, dict[Any, Callable[[Mapping], Mapping]]] = {
    "fields": {"missing": _missing, "null": _null, "extra": _extra},
    "items": {kind: _items(kind) for kind in ARRANGED},
    "detail": {"counters": _counters, "bare": _bare},
    "sequence_base": {1: _sequence},
    "cost": {"number": _cost(float), "null": _cost(lambda _: None)},
    "failure": {"sample": _failure_sample, "error": _failure_error, "reason": _failure_reason},
    "item_failure": {"item": _item_failure},
    "ids": {"ulid": _ids(prefixed=False), "prefixed": _ids(prefixed=True)},
    "words": {
        "reference": _words({"canceled": "cancelled"}),
        "errored": _words({"failed": "errored"}),
        "novel": _words({"running": "warming_up", "queued": "pondering"}),
        "settled": _settled,
    },
    "status_field": {"status": _status("status"), "both": _status("both")},
}
"""Reading, choice -> rule, in the order in which they are applied."""


def rules(api_variants: ApiVariants) -> list[Callable[[Mapping], Mapping]]:
    """The rules that these API variants ask for; none for the defaults."""
    chosen = ((choices, getattr(api_variants, name)) for name, choices in RULES.items())
    return [choices[choice] for choices, choice in chosen if choice in choices]


def rewrite(document: Any, applied: list[Callable[[Mapping], Mapping]]) -> Any:
    """The document under these rules; the original is left alone."""
    if isinstance(document, list):
        return [rewrite(entry, applied) for entry in document]
    if not isinstance(document, dict):
        return document
    fields = {key: value if key in ECHOED else rewrite(value, applied) for key, value in document.items()}
    for rule in applied:
        fields = rule(fields)
    return fields
