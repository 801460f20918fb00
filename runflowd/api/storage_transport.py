"""Requests to storage, wherever the service says that is: never into the network that this machine stands in.

Without a proxy the address that was reached is judged. A proxy looks names up itself, so there they are looked up here
as well: a name that leads inside is not passed on. Where this machine cannot look it up, the proxy alone can refuse it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import anyio
import httpx

from runflowd.api.addresses import Refused

if TYPE_CHECKING:
    from runflowd.api.addresses import AddressPolicy
    from runflowd.api.connections import Connections

LOOK_UP_TIMEOUT = 2.0
"""Seconds after which a name counts as one that only the proxy can look up."""

KEPT = 60.0
"""Seconds for which the answer about a name is remembered."""

MAX_NAMES = 256


class StorageTransport(httpx.AsyncBaseTransport):
    """Sends requests to addresses that an answer named. Raises `Refused`, before a byte of them is sent."""

    def __init__(self, connections: Connections, policy: AddressPolicy) -> None:
        self._connections = connections
        self._policy = policy
        self._found: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request directly, or by the proxy of the environment."""
        host = request.url.host
        if not self._connections.proxied(request.url):
            request.extensions = {**request.extensions, "admit": self._policy.guard(host)}
        elif inside := [each for each in await self._look_up(request.url) if not self._policy.admits(host, each)]:
            raise Refused(f"{host} leads to {inside[0]}, which is not public")
        return await self._connections.storage(request.url).handle_async_request(request)

    async def _look_up(self, url: httpx.URL) -> tuple[str, ...]:
        """The addresses behind a name, as far as this machine can tell."""
        name, now = url.raw_host.decode("ascii"), anyio.current_time()
        known = self._found.get(name)
        if known is None or known[0] < now:
            known = now + KEPT, await _addresses_of(name)
            self._found[name] = known
            while len(self._found) > MAX_NAMES:
                self._found.popitem(last=False)
        return known[1]


async def _addresses_of(name: str) -> tuple[str, ...]:
    with anyio.move_on_after(LOOK_UP_TIMEOUT):
        try:
            found = await anyio.getaddrinfo(name, None)
        except (OSError, UnicodeError):
            return ()
        return tuple(dict.fromkeys(str(address[4][0]) for address in found))
    return ()
