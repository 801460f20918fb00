"""Request faults in action: what happens to a request between the socket and the routes.

Each kind is one function over the ASGI call. A cut connection is a real one under the server in `server`,
which hands down an `abort`; without a server the call raises ConnectionResetError instead.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from math import ceil
from typing import TYPE_CHECKING, Any

import anyio
from starlette.responses import HTMLResponse, RedirectResponse, Response

from runflowd.local.http.control import until_idle
from runflowd.local.http.errors import Refusal, respond

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from runflowd.local.context import Service
    from runflowd.local.faults.plan import RequestFault

ABORT = "runflowd.abort"
"""The ASGI extension under which the server hands down a way to cut the connection."""

LOGIN = "<!doctype html><html><head><title>Sign in</title></head><body><form>Network login</form></body></html>"
VIDEO = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2\x00\x00\x00\x08mdat"
"""The least that is an MP4 (ISO/IEC 14496-12)."""

XML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message>'
    "</Error>"
)


class Call:
    """One request under a fault."""

    def __init__(
        self, service: Service, fault: RequestFault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.service, self.fault, self.app = service, fault, app
        self.scope, self.receive, self.send = scope, receive, send

    async def go_on(self, send: Send | None = None) -> None:
        """Let the request through, its answer to `send`."""
        await self.app(self.scope, self.receive, send or self.send)

    async def answer(self, response: Response) -> None:
        """Answer in the place of the routes."""
        await response(self.scope, self.receive, self.send)

    async def cut(self) -> None:
        """Close the connection without another byte, and wait until the server has seen it."""
        abort = self.scope.get("extensions", {}).get(ABORT)
        if abort is None:
            raise ConnectionResetError("the local service cut this connection on purpose")
        abort["call"]()
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def collect(self) -> list[Message]:
        """Process the request and keep the answer back."""
        kept: list[Message] = []

        async def keep(message: Message) -> None:
            kept.append(message)

        await self.go_on(keep)
        return kept


async def _status(call: Call) -> None:
    fault, variants = call.fault, call.service.api_variants
    headers = {}
    if fault.status in {429, 503} and variants.retry_after != "absent":
        seconds = max(ceil(fault.seconds), 1)
        moment = datetime.fromtimestamp(call.service.clock() + seconds, UTC)
        late = format_datetime(moment, usegmt=True)
        headers["Retry-After"] = {"seconds": str(seconds), "date": late, "absurd": "999999999"}[variants.retry_after]
    refusal = Refusal(fault.status, "The local service plays this error.", code=fault.code, headers=headers)
    await call.answer(respond(variants, refusal, call.scope["state"]["request_id"]))


async def _botch(call: Call) -> None:
    await call.collect()
    await _status(call)


async def _slow(call: Call) -> None:
    await anyio.sleep(call.fault.seconds)
    await call.go_on()


async def _late(call: Call) -> None:
    kept = await call.collect()
    await anyio.sleep(call.fault.seconds)
    await _replay(call, kept)


async def _hold(call: Call) -> None:
    kept = await call.collect()
    await until_idle(call.service, call.fault.seconds or 30.0)
    await _replay(call, kept)


async def _cut(call: Call) -> None:
    await call.cut()


async def _lose(call: Call) -> None:
    await call.collect()
    await call.cut()


async def _truncate(call: Call) -> None:
    start, body = _joined(await call.collect())
    await call.send(start)
    await call.send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    await anyio.sleep(0.01)  # lets the bytes leave before the connection goes
    await call.cut()


async def _short(call: Call) -> None:
    start, body = _joined(await call.collect())
    half = body[: len(body) // 2]
    headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
    start = {**start, "headers": [*headers, (b"content-length", str(len(half)).encode())]}
    await _replay(call, [start, {"type": "http.response.body", "body": half}])


async def _drip(call: Call) -> None:
    start, body = _joined(await call.collect())
    await call.send(start)
    for place in range(len(body)):
        await call.send({"type": "http.response.body", "body": body[place : place + 1], "more_body": True})
        await anyio.sleep(call.fault.seconds)
    await call.send({"type": "http.response.body", "body": b""})


async def _login(call: Call) -> None:
    await call.answer(HTMLResponse(LOGIN))


async def _xml(call: Call) -> None:
    await call.answer(Response(XML, 200, media_type="image/png"))


async def _video(call: Call) -> None:
    await call.answer(Response(VIDEO, 200, media_type="video/mp4"))


async def _redirect(call: Call) -> None:
    await call.answer(RedirectResponse("http://127.0.0.1:9/elsewhere", 307))


async def _huge(call: Call) -> None:
    filler = b'{"items":[' + b'"' + b"x" * call.fault.size + b'"' + b"]}"
    await call.answer(Response(filler, media_type="application/json"))


async def _deep(call: Call) -> None:
    depth = min(call.fault.size, 5_000_000)
    await call.answer(Response(b"[" * depth + b"]" * depth, media_type="application/json"))


async def _garbage(call: Call) -> None:
    await call.answer(Response(b'{"id": "0', media_type="application/json"))


KINDS: dict[str, Callable[[Call], Awaitable[None]]] = {
    "status": _status, "slow": _slow, "late": _late, "hold": _hold, "cut": _cut, "lose": _lose,
    "truncate": _truncate, "short": _short, "drip": _drip, "login": _login, "xml": _xml, "redirect": _redirect,
    "huge": _huge, "deep": _deep, "garbage": _garbage, "botch": _botch, "video": _video,
}  # fmt: skip


def _joined(kept: list[Message]) -> tuple[dict[str, Any], bytes]:
    """The start of a kept answer, and its whole body."""
    return dict(kept[0]), b"".join(message.get("body", b"") for message in kept[1:])


async def _replay(call: Call, kept: list[Message]) -> None:
    for message in kept:
        await call.send(message)
