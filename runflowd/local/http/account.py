"""Identity, credit and probes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from runflowd.local.context import ORGANISATION
from runflowd.local.http.answers import answer, service_of
from runflowd.local.http.errors import Refusal, not_found
from runflowd.local.identity import MICROS, dollars, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from runflowd.local.context import Service

USER = "018f0000-0000-7000-8000-000000000002"
SCOPES = ("runs:create", "runs:read", "runs:execute", "assets:create", "assets:read", "credit_balance:read")


async def me(request: Request) -> Response:
    """GET /v1/auth/me."""
    organisation = {"id": ORGANISATION, "name": "This machine", "slug": "local", "plan_code": "local"}
    return answer(
        request,
        {
            "id": USER, "email": "local@localhost", "first_name": "Local", "last_name": "Service",
            "avatar_url": None, "timezone": "UTC", "locale_code": "en", "email_verified_at": timestamp(0.0),
            "memberships": [{"org": organisation, "role_code": "owner", "scopes": list(SCOPES)}],
        },
    )  # fmt: skip


def _decimal(service: Service) -> dict[str, Any]:
    return {
        "id": ORGANISATION, "org_id": ORGANISATION, "balance": dollars(service.balance()),
        "low_balance_threshold": "0", "low_balance_notified_at": None, "created_at": timestamp(0.0),
        "updated_at": timestamp(service.clock()),
    }  # fmt: skip


def _number(service: Service) -> dict[str, Any]:
    return {**_decimal(service), "balance": service.balance() / MICROS}


def _cents(service: Service) -> dict[str, Any]:
    return {"balance_cents": service.balance() * 100 // MICROS, "currency": "USD"}


def _list(service: Service) -> dict[str, Any]:
    return {"items": [{"balance_usd": service.balance() / MICROS}]}


def _forbidden(service: Service) -> dict[str, Any]:  # noqa: ARG001 - one of BALANCES
    raise Refusal(403, "This key lacks the scope credit_balance:read.")


BALANCES: dict[str, Callable[[Service], dict[str, Any]]] = {
    "string": _decimal,
    "number": _number,
    "cents": _cents,
    "list": _list,
    "forbidden": _forbidden,
}


async def balance(request: Request) -> Response:
    """GET /v1/billing/balance."""
    service = service_of(request)
    return answer(request, BALANCES[service.api_variants.balance](service))


async def credit_balances(request: Request) -> Response:
    """GET /v1/credit-balances, which one first-party script calls; there only under `balance: list`."""
    service = service_of(request)
    if service.api_variants.balance != "list":
        raise not_found("route", request.url.path)
    return answer(request, _list(service))


async def health(request: Request) -> Response:
    """GET /v1/health, for anyone."""
    shape = service_of(request).api_variants.health
    return answer(request, {"ok": True} if shape == "ok" else {"status": "ok"})


async def readiness(request: Request) -> Response:
    """GET /v1/readiness: whether the database answers."""
    service_of(request).storage.one("SELECT 1")
    return answer(request, {"status": "ok", "database": "ok"})


ROUTES = [
    Route("/v1/auth/me", me, methods=["GET"]),
    Route("/v1/billing/balance", balance, methods=["GET"]),
    Route("/v1/credit-balances", credit_balances, methods=["GET"]),
    Route("/v1/health", health, methods=["GET"]),
    Route("/v1/readiness", readiness, methods=["GET"]),
]
