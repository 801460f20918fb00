"""The bytes that are posted for a batch or a run, in each form that the service documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.core.model import MAX_BATCH_ITEMS, Json
from runflowd.core.recipe import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_CLIENT_REF = 255
"""Longest `client_ref` the service takes, in characters (API reference, create a batch)."""


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One item of a batch body: our reference, left out if empty, and the bound input of the model."""

    client_ref: str
    input: Mapping[str, Json]


def guide_body(items: Sequence[BatchItem], metadata: Json = None, callback_url: str = "") -> bytes:
    """The batch body of the guide "Batch process media": `{"items": [{"input": {...}}]}`."""
    listed = [{"input": dict(item.input), **_reference_of(item)} for item in _checked(items)]

    return _body({"items": listed}, metadata, callback_url)


def reference_body(items: Sequence[BatchItem], metadata: Json = None, callback_url: str = "") -> bytes:
    """The batch body of the API reference: `{"input": [{...model fields, "client_ref": ...}]}`."""
    listed = [{**item.input, **_reference_of(item)} for item in _checked(items)]

    return _body({"input": listed}, metadata, callback_url)


def run_body(item: BatchItem, metadata: Json = None, callback_url: str = "") -> bytes:
    """The body of a single run, for models that take no batches."""
    (item,) = _checked([item])

    return _body({"input": dict(item.input), **_reference_of(item)}, metadata, callback_url)


def _reference_of(item: BatchItem) -> dict[str, Json]:
    return {"client_ref": item.client_ref} if item.client_ref else {}


def _checked(items: Sequence[BatchItem]) -> Sequence[BatchItem]:
    if not 1 <= len(items) <= MAX_BATCH_ITEMS:
        raise ValueError(f"a batch takes 1 to {MAX_BATCH_ITEMS} items, not {len(items)}")
    if any(len(item.client_ref) > MAX_CLIENT_REF for item in items):
        raise ValueError(f"a client_ref has at most {MAX_CLIENT_REF} characters")

    return items


def _body(body: dict[str, Json], metadata: Json, callback_url: str) -> bytes:
    if metadata:
        body["metadata"] = metadata
    if callback_url:
        body["callback_url"] = callback_url

    return canonical_json(body)
