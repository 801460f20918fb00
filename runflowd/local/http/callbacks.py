"""Routes about callbacks: delivery history, redelivery, and the secrets that sign them."""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field
from starlette.routing import Route

from runflowd.local.context import ORGANISATION
from runflowd.local.http.answers import answer, checked, created, read_body, service_of
from runflowd.local.http.errors import Refusal, problem
from runflowd.local.identity import timestamp
from runflowd.local.jobs.deliveries import announce, is_final

if TYPE_CHECKING:
    import sqlite3

    from starlette.requests import Request
    from starlette.responses import Response

    from runflowd.local.context import Service

Label = Annotated[str, Field(max_length=255)]


class SecretBody(BaseModel):
    """A new secret's label."""

    label: Label | None = None


class SecretChange(BaseModel):
    """A rename, or the promotion to current."""

    label: Label | None = None
    is_current: bool | None = None


def _subject(request: Request) -> tuple[Service, str, sqlite3.Row]:
    """Whose callbacks these are: the service, `run` or `batch`, and its row."""
    service = service_of(request)
    if "run_id" in request.path_params:
        return service, "run", service.find("runs", "run", request.path_params["run_id"])
    return service, "batch", service.find("batches", "batch", request.path_params["batch_id"])


async def history(request: Request) -> Response:
    """GET .../callback: a bare array, oldest first."""
    service, kind, subject = _subject(request)
    rows = service.storage.all(
        "SELECT * FROM deliveries WHERE kind = ? AND subject_id = ? ORDER BY number", kind, subject["id"]
    )
    return answer(request, [_delivery(service, row) for row in rows])


async def redeliver(request: Request) -> Response:
    """POST .../callback-redeliveries: a fresh payload from the current state."""
    service, kind, subject = _subject(request)
    if not subject["callback_url"]:
        raise Refusal(422, f"This {kind} has no callback_url.")
    if not is_final(subject["status"]):
        raise Refusal(422, f"This {kind} has not ended yet.")
    pending = service.storage.one(
        "SELECT 1 FROM deliveries WHERE kind = ? AND subject_id = ? AND status = 'pending'", kind, subject["id"]
    )
    if pending:
        found = {**problem(("path", f"{kind}_id"), "A delivery is in flight.", "conflict"), "error_type": "conflict"}
        raise Refusal(422, "A delivery is in flight.", errors=[found])
    with service.storage.transaction():
        delivery_id = announce(service, kind, subject["id"], automatic=False)
    service.posts.set()
    return created(request, _delivery(service, service.find("deliveries", "delivery", delivery_id)))


def _delivery(service: Service, row: sqlite3.Row) -> dict[str, Any]:
    attempts = service.storage.all("SELECT * FROM attempts WHERE delivery_id = ? ORDER BY number", row["id"])
    return {
        "id": row["id"], f"{row['kind']}_id": row["subject_id"], "callback_url": row["url"],
        "payload_bytes": base64.b64encode(row["payload"]).decode(), "payload": json.loads(row["payload"]),
        "signing_secret_id": row["secret_id"], "is_automatic": bool(row["automatic"]), "status_code": row["status"],
        "failure_reason_code": row["reason"], "failure_detail": row["detail"], "attempt_count": row["attempts"],
        "max_attempts": row["max_attempts"], "next_attempt_at": timestamp(row["next_at"]),
        "created_at": timestamp(row["created_at"]), "updated_at": timestamp(row["updated_at"]),
        "completed_at": timestamp(row["completed_at"]), "attempts": [_attempt(attempt) for attempt in attempts],
    }  # fmt: skip


def _attempt(row: sqlite3.Row) -> dict[str, Any]:
    """An attempt, whose `status_code` is a number where a delivery's is a word."""
    return {
        "id": row["id"], "delivery_id": row["delivery_id"], "attempt_number": row["attempt"],
        "status_code": row["status"], "response_body": row["response_body"],
        "response_time_ms": row["milliseconds"], "error_message": row["error"],
        "created_at": timestamp(row["created_at"]),
    }  # fmt: skip


async def create_secret(request: Request) -> Response:
    """POST /v1/callback-secrets. The first one, and each later one, becomes current; shown in plain once."""
    service = service_of(request)
    body = checked(await read_body(request), SecretBody, dict)
    now, plain = service.clock(), f"whsec_{secrets.token_urlsafe(32)}"
    secret_id = service.new_id()
    row = {"id": secret_id, "plain": plain, "label": body.label, "is_current": 1}
    with service.storage.transaction():
        service.storage.run("UPDATE secrets SET is_current = 0")
        service.storage.insert("secrets", [{**row, "created_at": now, "updated_at": now}])
    return created(request, {"plain_secret": plain, **_secret(service.find("secrets", "secret", secret_id))})


async def read_secret(request: Request) -> Response:
    """GET /v1/callback-secrets/{id}."""
    service = service_of(request)
    return answer(request, _secret(service.find("secrets", "secret", request.path_params["id"])))


async def change_secret(request: Request) -> Response:
    """PATCH /v1/callback-secrets/{id}: rename, or promote to current."""
    service = service_of(request)
    body = checked(await read_body(request), SecretChange)
    row = service.find("secrets", "secret", request.path_params["id"])
    label = body.label if "label" in body.model_fields_set else row["label"]
    with service.storage.transaction():
        if body.is_current:
            service.storage.run("UPDATE secrets SET is_current = 0")
        current = row["is_current"] if body.is_current is None else int(body.is_current)
        service.storage.run(
            "UPDATE secrets SET label = ?, is_current = ?, updated_at = ? WHERE id = ?",
            label, current, service.clock(), row["id"],
        )  # fmt: skip
    return answer(request, _secret(service.find("secrets", "secret", row["id"])))


def _secret(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"], "org_id": ORGANISATION, "key_prefix": row["plain"][:12],
        "is_current": bool(row["is_current"]), "label": row["label"], "disabled_at": None,
        "last_used_at": timestamp(row["last_used_at"]), "created_at": timestamp(row["created_at"]),
        "updated_at": timestamp(row["updated_at"]),
    }  # fmt: skip


ROUTES = [
    Route("/v1/runs/{run_id}/callback", history, methods=["GET"]),
    Route("/v1/runs/{run_id}/callback-redeliveries", redeliver, methods=["POST"]),
    Route("/v1/batches/{batch_id}/callback", history, methods=["GET"]),
    Route("/v1/batches/{batch_id}/callback-redeliveries", redeliver, methods=["POST"]),
    Route("/v1/callback-secrets", create_secret, methods=["POST"]),
    Route("/v1/callback-secrets/{id}", read_secret, methods=["GET"]),
    Route("/v1/callback-secrets/{id}", change_secret, methods=["PATCH"]),
]
