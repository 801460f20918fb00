"""`/_control`: switch API variants and faults while the service runs, and read its ledger. No part of the API.

Only for callers on this machine, and only as JSON, which a foreign web page cannot send unasked.
"""

from __future__ import annotations

import json
from decimal import Decimal  # noqa: TC003 - pydantic reads it
from typing import TYPE_CHECKING, Any

import anyio
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse
from starlette.routing import Route

from runflowd.local.api_variants import ApiVariants  # noqa: TC001 - pydantic reads it
from runflowd.local.faults.plan import Faults  # noqa: TC001 - pydantic reads it
from runflowd.local.http.answers import checked, read_body, service_of
from runflowd.local.http.errors import Refusal
from runflowd.local.http.loopback import is_loopback
from runflowd.local.identity import dollars
from runflowd.local.jobs.worker import resume_stuck

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from runflowd.local.context import Service


class Switches(BaseModel):
    """What a POST may change; what it does not name stays as it is."""

    model_config = ConfigDict(extra="forbid")

    api_variants: ApiVariants | None = None
    faults: Faults | None = None
    balance: Decimal | None = Field(None, ge=0, allow_inf_nan=False, max_digits=15, decimal_places=6)


def _guarded(request: Request) -> Service:
    """The service, for callers on this machine. Raises 403 and 404."""
    service = service_of(request)
    if not service.settings.control:
        raise Refusal(404, "The control routes are switched off.")
    host = request.client.host if request.client else "localhost"
    if not is_loopback(host):
        raise Refusal(403, "The control routes are for this machine only.")
    return service


def _state(service: Service) -> dict[str, Any]:
    return {
        "api_variants": service.api_variants.model_dump(),
        "faults": service.plan.faults.model_dump(),
        "faults_struck": service.plan.struck,
        "balance": dollars(service.balance()),
        "idle": service.is_idle(),
    }


async def show(request: Request) -> Response:
    """GET /_control."""
    return JSONResponse(_state(_guarded(request)))


async def switch(request: Request) -> Response:
    """POST /_control: new API variants (others go back to default), new faults (counts start afresh), a balance."""
    service = _guarded(request)
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise Refusal(415, "Send application/json.", code="UNSUPPORTED_MEDIA_TYPE")
    apply(service, checked(await read_body(request), Switches))
    return JSONResponse(_state(service))


def apply(service: Service, switches: Switches) -> None:
    """Change what the switches name, at once."""
    if switches.api_variants is not None:
        service.api_variants = switches.api_variants
    if switches.faults is not None:
        service.plan.switch(switches.faults)
        resume_stuck(service)
    if switches.balance is not None:
        service.set_balance(switches.balance)


def ledger(service: Service) -> dict[str, Any]:
    """What was bought: for each content, model and resolved input how often and for how much; and all traffic."""
    rows = service.storage.all(
        "SELECT content, model, input, count(*) AS times, sum(amount) AS amount, json_group_array(run_id) AS runs,"
        " json_group_array(batch_id) AS batches FROM charges GROUP BY content, model, input ORDER BY min(charged_at)"
    )
    counts = {
        table: service.storage.all(f"SELECT count(*) AS number FROM {table}")[0]["number"]  # noqa: S608 - our words
        for table in ("runs", "batches", "assets", "deliveries", "idempotency")
    }
    charges = [
        {
            "content": row["content"], "model": row["model"], "input": json.loads(row["input"]),
            "times": row["times"], "amount": dollars(row["amount"]), "runs": json.loads(row["runs"]),
            "batches": json.loads(row["batches"]),
        }
        for row in rows
    ]  # fmt: skip
    return {
        "charges": charges,
        "charged_times": sum(row["times"] for row in rows),
        "charged_amount": dollars(service.spent),
        "counts": counts,
        "requests": dict(sorted(service.requests.items())),
    }


async def show_ledger(request: Request) -> Response:
    """GET /_control/ledger."""
    return JSONResponse(ledger(_guarded(request)))


async def idle(request: Request) -> Response:
    """GET /_control/idle: answers once no run and no callback is waiting; 504 after `seconds` (default 10)."""
    service = _guarded(request)
    try:
        seconds = min(max(float(request.query_params.get("seconds", "10")), 0.0), 600.0)
    except ValueError:
        raise Refusal(422, "seconds is a number.") from None
    if not await until_idle(service, seconds):
        raise Refusal(504, "Still at work.", code="TIMEOUT")
    return JSONResponse({"idle": True})


async def until_idle(service: Service, seconds: float) -> bool:
    """Wait until nothing is under way, `seconds` at most; return whether it came to that."""
    with anyio.move_on_after(seconds):
        while not service.is_idle():
            await service.settled.wait(1.0)
    return service.is_idle()


ROUTES = [
    Route("/_control", show, methods=["GET"]),
    Route("/_control", switch, methods=["POST"]),
    Route("/_control/ledger", show_ledger, methods=["GET"]),
    Route("/_control/idle", idle, methods=["GET"]),
]
