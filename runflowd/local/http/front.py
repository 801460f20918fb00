"""What every request passes first: it gets an id, is counted, meets its fault, and shows its key."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from runflowd.local.faults.middleware import KINDS, Call
from runflowd.local.http.errors import Refusal, respond
from runflowd.local.http.loopback import names_this_machine

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from runflowd.local.context import Service

OPEN = frozenset({"/v1/health", "/v1/readiness"})
"""Routes under /v1/ that need no key."""

CONTROL = "/_control"
"""Where the routes begin that are no part of the API: they meet no fault."""


class Front:
    """The outermost layer of the app."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = self.service.new_id()
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request_id.encode())]}
            await send(message)

        if self.service.loopback_only and not names_this_machine(Headers(scope=scope).getlist("host")):
            # A web page may point a name of its own at this machine, and its browser be on it.
            misdirected = PlainTextResponse("This service is served under the names of this machine only.\n", 421)
            await misdirected(scope, receive, send_with_id)
            return
        path = scope["path"]
        fault = None if path.startswith(CONTROL) else self.service.plan.for_request(scope["method"], path)
        if fault is None:
            await self._admit(scope, receive, send_with_id)
        else:
            await KINDS[fault.kind](Call(self.service, fault, self._admit, scope, receive, send_with_id))

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """On to the routes, if the key is good."""
        refusal = self._refusal(scope)
        if refusal is None:
            await self.app(scope, receive, send)
        else:
            await respond(self.service.api_variants, refusal, scope["state"]["request_id"])(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        path = scope["path"]
        if not path.startswith(("/v1/", CONTROL)) or path in OPEN:
            return None
        kind, _, key = Request(scope).headers.get("authorization", "").partition(" ")
        keys = self.service.settings.api_keys
        good = any(hmac.compare_digest(key.encode(), known.encode()) for known in keys) if keys else bool(key.strip())
        if kind.lower() == "bearer" and good:
            return None
        return Refusal(401, "The API key is missing or not known.", headers={"WWW-Authenticate": "Bearer"})
