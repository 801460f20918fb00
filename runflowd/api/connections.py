"""The connections a client owns: which transport carries a request to which host.

API calls and transfers use separate pools, so that large downloads cannot keep a poll waiting. A proxy
is used where the environment names one (`HTTPS_PROXY`, `NO_PROXY`), never for loopback.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

import httpx

from runflowd.api.addresses import is_loopback_name
from runflowd.api.http import KEEPALIVE, DirectTransport

if TYPE_CHECKING:
    from runflowd.api.settings import Limits


class Connections:
    """Makes transports when first needed and closes them all."""

    def __init__(self, limits: Limits, transport: httpx.AsyncBaseTransport | None) -> None:
        self._limits = limits
        self._given = transport
        self._made: dict[tuple[str, str, str], httpx.AsyncBaseTransport] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._proxies = {} if transport else getproxies()

    def api(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        """Return the transport for API calls to `url`."""
        return self._given or self._pool("api", url, self._limits.connections)

    def storage(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        """Return the transport for uploads to and downloads from `url`."""
        return self._given or self._pool("storage", url, self._limits.transfers)

    def proxied(self, url: httpx.URL) -> bool:
        """Whether a proxy connects to `url` in our place."""
        return bool(self._proxy(url))

    async def aclose(self) -> None:
        """Close every connection; the transport that was given belongs to whoever gave it."""
        made, self._made = self._made, {}
        for transport in made.values():
            await transport.aclose()

    def _pool(self, use: str, url: httpx.URL, connections: int) -> httpx.AsyncBaseTransport:
        key = (use, url.scheme, self._proxy(url))
        found = self._made.get(key)
        return found or self._made.setdefault(key, self._make(*key[1:], connections))

    def _proxy(self, url: httpx.URL) -> str:
        proxy = self._proxies.get(url.scheme) or self._proxies.get("all") or ""
        if not proxy or is_loopback_name(url.host) or proxy_bypass(url.host):
            return ""
        return proxy if "://" in proxy else f"http://{proxy}"

    def _make(self, scheme: str, proxy: str, connections: int) -> httpx.AsyncBaseTransport:
        if not proxy:
            return DirectTransport(self._context(scheme), connections)
        limits = httpx.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=KEEPALIVE
        )
        return httpx.AsyncHTTPTransport(verify=self._context("https"), proxy=proxy, limits=limits)

    def _context(self, scheme: str) -> ssl.SSLContext:
        """Return the one TLS context of all pools for `scheme`.

        Loading the trusted roots takes tens of milliseconds; plain http makes do with a context that
        trusts nobody.
        """
        found = self._contexts.get(scheme)
        if found is None:
            plain = scheme == "http"
            found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if plain else httpx.create_ssl_context()
            found.set_alpn_protocols(["http/1.1"])
            self._contexts[scheme] = found
        return found
