"""Batches: create from either body, read with lean items, list full items."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.routing import Route

from runflowd.local.http.admission import (
    MAX_CLIENT_REF,
    Admitted,
    Entry,
    admit,
    check_callback_url,
    check_credit,
    run_row,
)
from runflowd.local.http.answers import answer, checked, created, read_body, service_of, shapes
from runflowd.local.http.bodies import refused_fields
from runflowd.local.http.errors import Refusal, invalid, not_found, problem
from runflowd.local.http.idempotency import once
from runflowd.local.http.paging import envelope, select
from runflowd.local.identity import parse_id
from runflowd.local.jobs.deliveries import announce_early
from runflowd.local.jobs.outcomes import close_batches

if TYPE_CHECKING:
    import sqlite3

    from starlette.requests import Request
    from starlette.responses import Response

    from runflowd.local.context import Service
    from runflowd.local.models.contract import Model

ClientRef = Annotated[str, Field(max_length=MAX_CLIENT_REF)]


class GuideItem(BaseModel):
    """One item of the guide's body; its client_ref may stand beside the input or in it."""

    input: dict[str, Any]
    client_ref: ClientRef | None = None


class BatchBody(BaseModel):
    """Both documented bodies: `input: [{...}]` (reference) or `items: [{input: {...}}]` (guide)."""

    model_config = ConfigDict(strict=True)

    input: list[dict[str, Any]] | None = Field(None, min_length=1, max_length=100)
    items: list[GuideItem] | None = Field(None, min_length=1, max_length=100)
    metadata: dict[str, Any] | None = None
    callback_url: Annotated[str, Field(max_length=2048)] | None = None


async def create_batch(request: Request) -> Response:
    """POST /v1/models/{owner}/{slug}/batches."""
    service = service_of(request)
    raw = await read_body(request)
    one_time = once(request, service, raw, batch=True)
    stored = one_time.replay()
    if stored is None:
        model = service.model("{owner}/{slug}".format(**request.path_params))
        if not model.takes_batches or service.api_variants.batch_models == "none":
            raise Refusal(422, f"{model.id} does not take batches; create one run for each item.")
        body = checked(raw, BatchBody, refused=partial(refused_fields, service.api_variants, batch=True))
        check_callback_url(body.callback_url)
        admitted = await admit(service, model, _entries(service, body))
        with service.storage.transaction():
            stored = (
                one_time.replay()
            )  # another request under the same key may have been quicker while images were stored
            if stored is None:
                check_credit(service, model, admitted)
                stored = _insert(request, model, body, admitted)
                one_time.remember(stored)
        service.work.set()
        service.posts.set()
    return created(request, stored)


def _entries(service: Service, body: BatchBody) -> list[Entry]:
    reading = service.api_variants.batch_body.removesuffix("_strict")
    if (body.items is None) == (body.input is None):
        wanted = "items" if reading == "guide" else "input"
        message = "Field required" if body.input is None else "Send either input or items, not both"
        raise invalid([problem(("body", wanted), message, "missing")])
    if body.items is not None:
        if reading == "reference":
            raise invalid([problem(("body", "input"), "Field required", "missing")])
        return [_guide_entry(index, item) for index, item in enumerate(body.items)]
    if reading == "guide":
        raise invalid([problem(("body", "items"), "Field required", "missing")])
    return [_entry(("body", "input", index), dict(given)) for index, given in enumerate(body.input or [])]


def _guide_entry(index: int, item: GuideItem) -> Entry:
    entry = _entry(("body", "items", index, "input"), dict(item.input))
    return entry if item.client_ref is None else Entry(entry.loc, entry.given, item.client_ref)


def _entry(loc: tuple[str | int, ...], given: dict[str, Any]) -> Entry:
    """Takes client_ref out of the input, as the reference says, before the model's validation."""
    client_ref = given.pop("client_ref", None)
    if client_ref is not None and not _is_client_ref(client_ref):
        message = f"Input should be a string of at most {MAX_CLIENT_REF} characters"
        raise invalid([problem((*loc, "client_ref"), message, "string_too_long")])
    return Entry(loc, given, client_ref)


def _is_client_ref(value: Any) -> bool:
    if not isinstance(value, str) or len(value) > MAX_CLIENT_REF:
        return False
    return not any("\ud800" <= letter <= "\udfff" for letter in value)  # SQLite keeps UTF-8


def _insert(request: Request, model: Model, body: BatchBody, admitted: list[Admitted]) -> dict[str, Any]:
    service = service_of(request)
    batch_id, now = service.new_id(), service.clock()
    metadata = json.dumps(body.metadata) if body.metadata is not None else None
    head = {"id": batch_id, "model": model.id, "metadata": metadata, "callback_url": body.callback_url}
    counts = {"total": len(admitted), "failed": sum(bool(one.problems) for one in admitted)}
    service.storage.insert("batches", [{**head, **counts, "status": "queued", "created_at": now}])
    places = [
        {"batch_id": batch_id, "item_id": service.new_id(), "sequence_index": index} for index in range(len(admitted))
    ]
    rows = [run_row(service, model, one, request.state.request_id) for one in admitted]
    service.storage.insert("runs", [{**row, **place} for row, place in zip(rows, places, strict=True)])
    close_batches(service, {batch_id})
    announce_early(service, batch_id)
    return _detail(request, service.find("batches", "batch", batch_id))


def _detail(request: Request, row: sqlite3.Row) -> dict[str, Any]:
    runs = service_of(request).storage.all("SELECT * FROM runs WHERE batch_id = ? ORDER BY sequence_index", row["id"])
    return shapes(request).batch(row, runs)


async def read_batch(request: Request) -> Response:
    """GET /v1/batches/{id}."""
    service = service_of(request)
    row = service.find("batches", "batch", request.path_params["id"])
    return answer(request, _detail(request, row))


async def list_items(request: Request) -> Response:
    """GET /v1/batches/{batch_id}/items."""
    service = service_of(request)
    batch = service.find("batches", "batch", request.path_params["batch_id"])
    rows, cursors = select(request, "SELECT * FROM runs WHERE batch_id = ?", (batch["id"],), "sequence_index")
    shown = shapes(request, listed=True)
    return answer(request, envelope(request, [shown.item(row) for row in rows], cursors))


async def read_item(request: Request) -> Response:
    """GET /v1/batches/{batch_id}/items/{id}."""
    service = service_of(request)
    batch = service.find("batches", "batch", request.path_params["batch_id"])
    item_id = parse_id(request.path_params["id"])
    row = service.storage.one("SELECT * FROM runs WHERE batch_id = ? AND item_id = ?", batch["id"], item_id)
    if row is None:
        raise not_found("item", request.path_params["id"])
    return answer(request, shapes(request).item(row))


ROUTES = [
    Route("/v1/models/{owner}/{slug:path}/batches", create_batch, methods=["POST"]),
    Route("/v1/batches/{id}", read_batch, methods=["GET"]),
    Route("/v1/batches/{batch_id}/items", list_items, methods=["GET"]),
    Route("/v1/batches/{batch_id}/items/{id}", read_item, methods=["GET"]),
]
