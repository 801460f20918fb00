"""HTTP/1.1 as the daemon needs it: httpx's requests and responses over connections of our own, parsed by llhttp.

One request, one exchange on one connection, and nothing of its own accord: no redirects, no cookies, no logins, no
repetition, no decompression, no proxies, no names but the one that was asked for. A failure is `httpx.ConnectError`,
`ConnectTimeout`, `PoolTimeout` or `LocalProtocolError` only where no byte of the request can have left.
"""

from __future__ import annotations

from runflowd.api.http.direct import KEEPALIVE, DirectTransport

__all__ = ["KEEPALIVE", "DirectTransport"]
