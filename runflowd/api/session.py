"""A call to the API: address, headers, answer, exception. What a call means is `client`'s business."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlencode

import httpx

from runflowd import __version__
from runflowd.api.errors import Permanent, Place, Scope, Transient, Unauthorized
from runflowd.api.refusals import refusal
from runflowd.api.scalars import Unreadable, decode
from runflowd.api.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runflowd.api.connections import Connections
    from runflowd.api.gates import Gates
    from runflowd.api.settings import Limits, Service
    from runflowd.core.model import Json

    Before = Callable[[], Awaitable[object]]
    """What is asked right before a request is sent."""

Value = TypeVar("Value")

USER_AGENT = f"runflowd/{__version__}"
_HEADER = re.compile(r"[\x21-\x7e]{1,4096}")
_SHORTEST_SECRET = 6
"""Characters; a shorter key (of a trial) is in too many innocent words to be taken out of them."""

_REQUEST_IDS = ("x-request-id", "runflow-request-id", "cf-ray", "x-amz-request-id")


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of request. `action` completes "cannot ..."; `route` names it in the statistics.

    `scope` is what pauses when the request itself is refused; `effect` marks a call that buys or makes
    something, whose failure half-way leaves a doubt. `behind` is by how many seconds others may overtake it
    where requests queue.
    """

    action: str
    method: str
    route: str
    scope: Scope = Scope.BATCH
    effect: bool = False
    behind: float = 0.0

    @property
    def label(self) -> str:
        return f"{self.method} {self.route}"


class Session:
    """Speaks to one service with one key."""

    def __init__(self, service: Service, limits: Limits, routes: Connections, gates: Gates | None) -> None:
        self.service = service
        self.url = origin(service.url)
        self.host = _netloc(self.url)
        self.wire = Transport(limits)
        self._limits = limits
        self._routes = routes
        self._gates = gates

    async def call(
        self,
        call: Call,
        read: Callable[[Json], Value],
        *segments: str,
        query: dict[str, str] | None = None,
        body: bytes | None = None,
        key: str = "",
        before: Before | None = None,
    ) -> Value:
        """Make `call` at `/v1/<segments>` and return what `read` makes of the answer.

        `body` is sent byte for byte as JSON; `key` becomes the `Idempotency-Key`. `before` runs when it is this
        request's turn, and right before it is sent; what it raises keeps it from being sent. Raises `ApiError`.
        """

        async def send() -> Value:
            if before is not None:
                await before()
            return await self._once(call, read, segments, query, body, key)

        if self._gates is None:
            return await send()
        also = (self._gates.credit,) if call.effect else ()
        return await self._gates.api.run(send, behind=call.behind, also=also)

    async def _once(
        self,
        call: Call,
        read: Callable[[Json], Value],
        segments: tuple[str, ...],
        query: dict[str, str] | None,
        body: bytes | None,
        key: str,
    ) -> Value:
        place = Place(call.action, self.host)
        request = self._request(call, place, segments, query, body, key)
        with self.wire.exchange(place, call.label, seconds=self._limits.total, scope=Scope.SERVICE) as running:
            running.repeatable = not call.effect
            self.wire.counters.sent(len(body or b""))
            transport = self._routes.api(request.url)
            answer = await self.wire.answer(running, transport, request, self._limits.answer)
        response = answer.response
        self.wire.counters.dated(response.headers.get("date", ""))
        if not response.is_success:
            place = Place(call.action, self.host, request_id(response))
            error_body = self._without_key(answer.body)
            raise refusal(place, response, error_body, scope=call.scope, ambiguous=call.effect)
        try:
            return read(decode(answer.body))
        except Unreadable as reason:
            raise Transient(
                Place(call.action, self.host, request_id(response)),
                status=response.status_code,
                code="UNREADABLE",
                message=str(reason),
                scope=Scope.MACHINE if answer.body.lstrip()[:1] == b"<" else Scope.SERVICE,
                ambiguous=call.effect,
            ) from None

    def _request(
        self,
        call: Call,
        place: Place,
        segments: tuple[str, ...],
        query: dict[str, str] | None,
        body: bytes | None,
        key: str,
    ) -> httpx.Request:
        url = f"{self.url}/v1/{path(place, *segments)}" + (f"?{urlencode(query)}" if query else "")
        headers = self._headers(place)
        if body is not None:
            headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        if key:
            headers.append(("Idempotency-Key", key))
        # A stream, since httpx makes the headers of a `content` twice.
        stream = httpx.ByteStream(body or b"")
        return httpx.Request(call.method, _url(url), headers=headers, stream=stream, extensions=self.wire.extensions())

    def _headers(self, place: Place) -> list[tuple[str, str]]:
        # Asking for no compression costs little and takes away a way to make 1 MiB into 1 GiB here.
        headers = [
            ("Host", self.host),
            ("User-Agent", USER_AGENT),
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
        ]
        token, organization = self.service.api_key.reveal(), self.service.organization
        if token:
            if not _HEADER.fullmatch(token):
                raise Unauthorized(place, message="the API key holds characters that no key has")
            headers.append(("Authorization", f"Bearer {token}"))
        if organization:
            if not _HEADER.fullmatch(organization):
                raise Unauthorized(place, message="the organization id holds characters that no id has")
            headers.append(("X-Organization-Id", organization))
        return headers

    def _without_key(self, body: bytes) -> bytes:
        """Return an error's body without our own key, whatever that looks like."""
        token = self.service.api_key.reveal().encode()
        return body.replace(token, b"***") if len(token) >= _SHORTEST_SECRET else body


@lru_cache(maxsize=32)  # few are asked for again and again, and to read one takes a tenth of a call
def _url(text: str) -> httpx.URL:
    return httpx.URL(text)


def _netloc(url: str) -> str:
    try:
        netloc = httpx.URL(url).netloc.decode("ascii")
    except (httpx.InvalidURL, ValueError):
        netloc = ""
    if not netloc:
        place = Place("reach the service", url)
        raise Permanent(place, code="URL", message="this is no address of a service", scope=Scope.SERVICE)
    return netloc


def origin(url: str) -> str:
    """Return the service's address without a trailing slash or `/v1`, which every path brings itself."""
    bare = url.strip().rstrip("/")
    return bare.removesuffix("/v1")


def path(place: Place, *segments: str) -> str:
    """Return a URL path of `segments`, each percent-encoded.

    Raises `Permanent` for an empty segment, `.` and `..`: those would name another resource.
    """
    if not segments or not all(segment.strip(".") and segment.isprintable() for segment in segments):
        raise Permanent(place, code="NAME", message="an empty or relative name cannot be part of an address")
    return "/".join(quote(segment, safe="") for segment in segments)


def request_id(response: httpx.Response) -> str:
    """Return the id by which the service's support can find this request, or empty."""
    return next((found for name in _REQUEST_IDS if (found := response.headers.get(name))), "")
