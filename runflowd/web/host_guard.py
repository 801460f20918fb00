"""What every request passes and every answer carries, whatever the route.

A listener on loopback trusts every program of this machine, and a browser is one: a foreign page may send
it here, also under a name of its own that it points at 127.0.0.1 (DNS rebinding). So the Host header
must name this machine; only callbacks, which prove themselves, come under a public name.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

from runflowd.api import callback_signature

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL_NAMES = frozenset({"localhost", "::1"})

SECURITY = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
"""Headers of every answer, unless the route has set a stricter one itself."""


class HostGuard:
    """ASGI middleware. With `by_host`, requests for other names than this machine's own are refused."""

    def __init__(self, app: ASGIApp, *, by_host: bool) -> None:
        self._app = app
        self._by_host = by_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        open_to_all = not self._by_host or scope["path"] == callback_signature.PATH
        if open_to_all or names_this_machine(Headers(scope=scope).getlist("host")):
            await self._app(scope, receive, send_safely)
            return
        answer = PlainTextResponse(
            "This page is served under the names of this machine only: use http://127.0.0.1 or localhost with the "
            "port. A proxy in front has to send one of them as Host.\n",
            421,
        )
        await answer(scope, receive, send_safely)


def names_this_machine(hosts: list[str]) -> bool:
    """Whether the one Host header names loopback, with any port: a foreign name proves a foreign page."""
    name = host_name(hosts[0]) if len(hosts) == 1 else ""
    return name in LOCAL_NAMES or _is_loopback_number(name)


def _is_loopback_number(name: str) -> bool:
    parts = name.split(".")
    return len(parts) == 4 and parts[0] == "127" and all(part.isascii() and part.isdigit() for part in parts)


def host_name(host: str) -> str:
    """The name or number in a Host header, in lower case, without port and brackets; "" when it makes no sense."""
    try:
        parts = urlsplit(f"//{host}")
        usable = parts.netloc == host and parts.username is None and (parts.port is None or parts.port > 0)
    except ValueError:
        return ""
    return (parts.hostname or "") if usable else ""


def same_origin(headers: Headers) -> bool:
    """Whether a browser sent this from a page of ours, as far as it tells; programs tell nothing.

    `Sec-Fetch-Site` is set by browsers alone (Fetch Metadata). Where it is missing, such as over http from
    another machine, the `Origin` must have the host that was asked.
    """
    if site := headers.get("sec-fetch-site"):
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower() != ""
    except ValueError:
        return False


def token_matches(given: str, token: str) -> bool:
    """Whether a form carries the page's token, compared in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())
