"""Callbacks on their way: frozen bytes, signed, sent at least once, retried with growing waits."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

import anyio
from anyio import to_thread

from runflowd.local.http.answers import encode
from runflowd.local.http.loopback import is_loopback
from runflowd.local.http.shapes import TERMINAL, Shapes
from runflowd.local.identity import timestamp
from runflowd.local.variant_transforms import rewrite, rules

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Awaitable, Callable, Mapping

    from runflowd.local.context import Service

AT_ONCE = 8
"""Deliveries sent at the same time."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the receiver said; `status` is None when it said nothing, and `error` tells why."""

    status: int | None
    body: str = ""
    error: str = ""


if TYPE_CHECKING:
    Send: TypeAlias = Callable[[str, bytes, Mapping[str, str]], Awaitable[Reply]]


def announce(service: Service, kind: str, subject_id: str, *, automatic: bool = True) -> str:
    """Freeze the payload of a run or batch as it is now and queue it. Runs inside a transaction."""
    row = service.find("batches" if kind == "batch" else "runs", kind, subject_id)
    now = service.clock()
    secret = _signing_secret(service)
    delivery = {
        "id": service.new_id(), "kind": kind, "subject_id": row["id"], "url": row["callback_url"],
        "payload": payload(service, kind, row), "secret_id": secret["id"] if secret else None,
        "automatic": int(automatic), "status": "pending", "next_at": now, "created_at": now, "updated_at": now,
        "max_attempts": len(service.settings.callback_backoff) + 1,
    }  # fmt: skip
    service.storage.insert("deliveries", [delivery])
    return str(delivery["id"])


def _signing_secret(service: Service) -> sqlite3.Row | None:
    """The current secret; under the reading `previous` the newest of the others, if there is one."""
    current = "SELECT id FROM secrets WHERE is_current ORDER BY number DESC LIMIT 1"
    previous = "SELECT id FROM secrets ORDER BY is_current, number DESC LIMIT 1"
    chosen = current if service.api_variants.signing_secret == "current" else previous  # noqa: S105 - a choice's name
    return service.storage.one(chosen)


def announce_early(service: Service, batch_id: str) -> None:
    """Play the service whose callback outruns its own answer, when the faults ask for it."""
    row = service.find("batches", "batch", batch_id)
    if row["callback_url"] and service.plan.for_callback(row["callback_url"], frozenset({"early"})):
        announce(service, "batch", batch_id)


def payload(service: Service, kind: str, row: sqlite3.Row) -> bytes:
    """The callback's body (concepts/callbacks), under the API variants in force."""
    shapes = Shapes(service, service.base)
    shown: dict[str, Any] = {
        "event": event(service, kind, row["status"]),
        f"{kind}_id": row["id"],
        "status": row["status"],
        "output": _output(service, shapes, kind, row),
        "duration_ms": int(
            ((row["completed_at"] or row["created_at"]) - (row["started_at"] or row["created_at"])) * 1000
        ),
        "created_at": timestamp(row["created_at"]),
        "completed_at": timestamp(row["completed_at"]),
        "metadata": json.loads(row["metadata"] or "null"),
    }
    return encode(rewrite(shown, rules(service.api_variants)))


def event(service: Service, kind: str, status: str) -> str:
    """The event's name: a good run is `completed`, a good batch `succeeded`, and the one that was stopped `cancelled`.

    That the event and the status spell it differently is so in concepts/runs.
    """
    if status == "succeeded":
        return service.api_variants.batch_event if kind == "batch" else service.api_variants.run_event
    return f"{kind}.{'cancelled' if status == 'canceled' else status}"


def _output(service: Service, shapes: Shapes, kind: str, row: sqlite3.Row) -> Any:
    if kind == "batch":
        runs = service.storage.all("SELECT * FROM runs WHERE batch_id = ? ORDER BY sequence_index", row["id"])
        return shapes.batch_output(row, runs)
    if row["status"] == "failed" and service.api_variants.callback_failure == "envelope":
        return {"error": {"code": row["failure_code"], "message": row["failure_message"]}}
    return shapes.output(row)


def sign(secret: str, body: bytes) -> str:
    """HMAC-SHA256 over the raw bytes, 64 lowercase hex digits (guides/verify-callback-signatures)."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def deliver(service: Service, send: Send) -> None:
    """Send what is due, for ever."""
    while True:
        now = service.clock()
        due = service.storage.all(
            "SELECT * FROM deliveries WHERE status = 'pending' AND next_at <= ? ORDER BY next_at LIMIT ?", now, AT_ONCE
        )
        async with anyio.create_task_group() as group:
            for row in due:
                group.start_soon(_attempt, service, send, row)
        if due:
            service.settled.set()
            continue
        row_next = service.storage.one("SELECT min(next_at) AS moment FROM deliveries WHERE status = 'pending'")
        moment = row_next["moment"] if row_next else None
        await service.posts.wait(60.0 if moment is None else max(moment - now, 0.01))


async def _attempt(service: Service, send: Send, row: sqlite3.Row) -> None:
    """One attempt, with the trouble the plan has for it, and what came of it."""
    headers = {"Content-Type": "application/json", "Runflow-Request-Id": row["id"]}
    secret = service.storage.one("SELECT * FROM secrets WHERE id = ?", row["secret_id"])
    if secret is not None:
        headers["Runflow-Signature"] = sign(secret["plain"], row["payload"])
        service.storage.run("UPDATE secrets SET last_used_at = ? WHERE id = ?", service.clock(), secret["id"])
    began = time.monotonic()
    reply = await _post(service, send, row, headers)
    _note(service, row, reply, int((time.monotonic() - began) * 1000))


async def _post(service: Service, send: Send, row: sqlite3.Row, headers: dict[str, str]) -> Reply:
    url, body = row["url"], row["payload"]
    fault = service.plan.for_callback(url, frozenset({"duplicate", "lose", "forge", "unsigned"}))
    kind = fault.kind if fault else ""
    if kind == "lose":
        return Reply(200, "", "lost on purpose")
    if kind == "forge":
        forged = body.replace(row["subject_id"].encode(), service.new_id().encode())
        await send(url, forged, {**headers, "Runflow-Signature": "a" * 64})
    if kind == "unsigned":
        unsigned = {name: value for name, value in headers.items() if name != "Runflow-Signature"}
        await send(url, body, unsigned)
    if kind == "duplicate":
        await send(url, body, headers)
    return await send(url, body, headers)


def _note(service: Service, row: sqlite3.Row, reply: Reply, milliseconds: int) -> None:
    """Record the attempt and when the next one is due, if there is one."""
    now, number = service.clock(), row["attempts"] + 1
    good = reply.status is not None and 200 <= reply.status < 300
    backoff = service.settings.callback_backoff
    status = "succeeded" if good else "failed" if number > len(backoff) else "pending"
    attempt = {
        "id": service.new_id(), "delivery_id": row["id"], "attempt": number, "status": reply.status,
        "response_body": reply.body, "milliseconds": milliseconds, "error": reply.error or None, "created_at": now,
    }  # fmt: skip
    with service.storage.transaction():
        service.storage.insert("attempts", [attempt])
        service.storage.run(
            "UPDATE deliveries SET status = ?, attempts = ?, next_at = ?, updated_at = ?, completed_at = ?, reason = ?,"
            " detail = ? WHERE id = ?",
            status,
            number,
            now + backoff[number - 1] if status == "pending" else None,
            now,
            None if status == "pending" else now,
            None if good else "http_status" if reply.status else "connection",
            None if good else reply.error or f"HTTP {reply.status}",
            row["id"],
        )


def over_http(timeout: float) -> Send:
    """The sender for real networks: one POST, redirects not followed, `timeout` seconds for each step."""

    async def send(url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        return await to_thread.run_sync(_send, url, body, headers, timeout, abandon_on_cancel=True)

    return send


def _send(url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Reply:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if not is_loopback(host):
        return Reply(None, "", f"callbacks go to this machine only, not to {host}")
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body, dict(headers))
        response = connection.getresponse()
        return Reply(response.status, response.read1(2048).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException) as error:
        return Reply(None, "", f"{type(error).__name__}: {error}")
    finally:
        connection.close()


def is_final(status: str) -> bool:
    """Whether a run or batch in this status will not change any more."""
    return status in TERMINAL
