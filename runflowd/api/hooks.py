"""Calls to addresses that the operator named for messages: no redirect is followed, no answer is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from runflowd.api.connections import Connections
from runflowd.api.errors import ApiError, Place, Scope
from runflowd.api.session import USER_AGENT
from runflowd.api.settings import Limits
from runflowd.api.transport import FOREIGN, Transport

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

TIMEOUTS = Limits(connect=5.0, idle=10.0, total=10.0, connections=2)


class Unheard(ApiError):
    """The address did not take it."""


class Hooks:
    """A client for such addresses. What of them is more than the host is never shown: it is often a secret."""

    def __init__(self, limits: Limits = TIMEOUTS, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._limits = limits
        self._wire = Transport(limits)
        self._routes = Connections(limits, transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._routes.aclose()

    async def post(self, action: str, url: str, body: bytes, headers: dict[str, str]) -> None:
        """Send `body` as JSON, byte for byte. Raises `ApiError` unless the answer is a success; `action` words it."""
        await self._call(action, "POST", url, body, {"Content-Type": "application/json", **headers})

    async def get(self, action: str, url: str) -> None:
        """Call an address. Raises `ApiError` unless the answer is a success."""
        await self._call(action, "GET", url, None, {})

    async def _call(self, action: str, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> None:
        usual = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        target = httpx.URL(url)
        request = httpx.Request(
            method, target, headers={**usual, **headers}, content=body, extensions=self._wire.extensions()
        )
        place = Place(action, target.host)
        with self._wire.exchange(place, action, seconds=self._limits.total, scope=Scope.MACHINE) as running:
            try:
                response = await self._routes.api(target).handle_async_request(request)
                await response.aclose()
            except FOREIGN as error:
                raise running.unheard(error) from None
        if not response.is_success:
            why = "redirects are not followed; name the final address" if response.is_redirect else "it did not take it"
            raise Unheard(place, status=response.status_code, message=why, scope=Scope.MACHINE)
