"""One request to an address of our own, to see who answers there: without a key, without a body, without redirects."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from runflowd.api.connections import Connections
from runflowd.api.errors import Permanent, Place, Scope
from runflowd.api.session import USER_AGENT
from runflowd.api.settings import Limits
from runflowd.api.transport import Transport

_LIMITS = Limits(connect=5.0, idle=10.0, total=10.0, answer=64 * 1024)


@dataclass(frozen=True, slots=True)
class Echo:
    """An answer: its status, and whether it asks for a password of its own, as a proxy with a login does."""

    status: int
    login: bool = False


async def post_nothing(url: str) -> Echo:
    """POST an empty body to `url`, over the proxy that the environment names. Raises `ApiError` without an answer."""
    routes, wire = Connections(_LIMITS, None), Transport(_LIMITS)
    try:
        target = httpx.URL(url)
        place = Place("call", target.netloc.decode("ascii"))
    except (httpx.InvalidURL, ValueError):
        raise Permanent(Place("call", ""), code="URL", message="this is no address", scope=Scope.MACHINE) from None
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    request = httpx.Request("POST", target, headers=headers, content=b"", extensions=wire.extensions())
    try:
        with wire.exchange(place, "POST", seconds=_LIMITS.total, scope=Scope.MACHINE) as running:
            answer = await wire.answer(running, routes.api(target), request, _LIMITS.answer)
    finally:
        await routes.aclose()
    return Echo(answer.response.status_code, "www-authenticate" in answer.response.headers)
