"""One request, one answer: deadlines, bounded bodies, foreign exceptions mapped once.

This talks to httpx transports directly instead of through `httpx.AsyncClient`: no redirects, cookies,
netrc logins or logging of full URLs exist at this level, so none of them can be switched on by
mistake, and a request costs about a third less.
"""

from __future__ import annotations

import zlib
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import anyio
import httpx

from runflowd.api.addresses import Refused
from runflowd.api.errors import Place, Scope, Transient, Unsafe
from runflowd.api.statistics import Counters

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from types import TracebackType

    from runflowd.api.settings import Limits

# OSError and UnicodeError: what the resolver and TLS let through beside httpx's own tree.
FOREIGN = (
    httpx.HTTPError,
    httpx.StreamError,
    OSError,
    UnicodeError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
)
# Raised before the first byte of the request could have left.
_UNSENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
_MACHINE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)


class TooLarge(Exception):
    """A body outgrew its bound of `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the answer exceeds {limit} bytes")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response with its whole, bounded body."""

    response: httpx.Response
    body: bytes


class Request:
    """One running exchange: what it is for, where, and its deadline, which may still be moved.

    As a context manager it is counted, and ends at its deadline with `Transient`.
    """

    def __init__(self, place: Place, route: str, scope: Scope, counters: Counters, seconds: float) -> None:
        self.place = place
        self.route = route
        self.scope = scope
        self.status = 0
        self.repeatable = True
        """Whether a failure leaves no doubt: false while a create call may have been acted upon."""
        self._counters = counters
        self._started = anyio.current_time()
        self.deadline = anyio.CancelScope(deadline=self._started + seconds)

    def __enter__(self) -> Self:
        self._counters.start()
        self.deadline.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        try:
            ended = self.deadline.__exit__(kind, error, trace)
        finally:
            self._counters.end(self.route, self.status, anyio.current_time() - self._started)
        if self.deadline.cancelled_caught:
            message, doubt = "it took longer than allowed in total", not self.repeatable
            raise Transient(self.place, code="DEADLINE", message=message, scope=self.scope, ambiguous=doubt)
        return bool(ended)

    def unheard(self, error: BaseException) -> Transient:
        """Return the exception for an exchange that ended without a usable answer."""
        return Transient(
            self.place,
            code=type(error).__name__,
            message=_words(error),
            scope=Scope.MACHINE if isinstance(error, _MACHINE) else self.scope,
            ambiguous=not (self.repeatable or isinstance(error, _UNSENT)),
        )

    def refused(self, reason: object, *, code: str = "ADDRESS") -> Unsafe:
        """Return the exception for something that this side will not touch."""
        return Unsafe(self.place, code=code, message=f"refused: {reason}", scope=self.scope)


class Transport:
    """Sends requests over transports that others own, and counts them."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.counters = Counters()
        self._pace = {
            "connect": limits.connect,
            "read": limits.idle,
            "write": limits.idle,
            "pool": limits.transfer,
        }

    def extensions(self) -> dict[str, object]:
        """Return fresh httpx request extensions that hold the timeouts of single steps."""
        return {"timeout": self._pace}

    def exchange(self, place: Place, route: str, *, seconds: float, scope: Scope) -> Request:
        """An exchange that may take so many seconds in all."""
        return Request(place, route, scope, self.counters, seconds)

    async def open(
        self, running: Request, transport: httpx.AsyncBaseTransport, request: httpx.Request
    ) -> httpx.Response:
        """Send `request`; give its answer once the headers are there. Raises `ApiError`."""
        try:
            response = await transport.handle_async_request(request)
        except Refused as reason:
            raise running.refused(reason) from None
        except FOREIGN as error:
            raise running.unheard(error) from error
        running.status = response.status_code
        return response

    async def answer(
        self, running: Request, transport: httpx.AsyncBaseTransport, request: httpx.Request, limit: int
    ) -> Answer:
        """Send `request` and read the whole answer, at most `limit` bytes. Raises `ApiError`."""
        response = await self.open(running, transport, request)
        try:
            try:
                return Answer(response, await self.read(response, limit))
            finally:
                await close(response)
        except TooLarge as error:
            # What was bought with this request exists, however long the receipt.
            if not running.repeatable:
                raise running.unheard(error) from None
            raise running.refused(error, code="TOO_LARGE") from None
        except FOREIGN as error:
            raise running.unheard(error) from error

    async def read(self, response: httpx.Response, limit: int) -> bytes:
        """Read a body of at most `limit` bytes. Raises `TooLarge`."""
        if isinstance(response.stream, httpx.ByteStream) and "content-encoding" not in response.headers:
            whole = b"".join(response.stream)
            self.counters.received(len(whole))
            if len(whole) > limit:
                raise TooLarge(limit)
            return whole
        async with aclosing(self.chunks(response, limit)) as chunks:
            parts = [chunk async for chunk in chunks]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def chunks(self, response: httpx.Response, limit: int) -> AsyncGenerator[bytes]:
        """Give the body piece by piece, uncompressed, at most `limit` bytes. Raises `TooLarge`."""
        assert isinstance(response.stream, httpx.AsyncByteStream)
        inflate = _inflater(response.headers.get("content-encoding", ""))
        size = 0
        source = aiter(response.stream)
        async for chunk in source:
            self.counters.received(len(chunk))
            plain = inflate(chunk, limit - size + 1) if inflate else chunk
            size += len(plain)
            if size > limit:
                await _abandon(response, source)
                raise TooLarge(limit)
            try:
                yield plain
            except GeneratorExit:
                await _abandon(response, source)
                raise


def _words(error: BaseException) -> str:
    """What an exception says, else what the one behind it says: of TLS some backends only pass on that it broke."""
    cause: BaseException | None = error
    while cause is not None and not str(cause):
        cause = cause.__cause__ or cause.__context__
    return str(cause or "the connection failed")


async def close(response: httpx.Response) -> None:
    """Let go of the connection. What else httpx does when a response is closed serves its own client alone."""
    assert isinstance(response.stream, httpx.AsyncByteStream)
    await response.stream.aclose()


async def _abandon(response: httpx.Response, source: AsyncIterator[bytes]) -> None:
    """Close the connection, then let the generators below run out on it.

    A generator left half-way is finalized by the garbage collector at a time of its own choosing.
    """
    await close(response)
    try:
        async for _ in source:
            pass
    except FOREIGN:
        pass


class _Inflate:
    """Undoes gzip or deflate that was sent although we ask for neither, never beyond a bound."""

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)

    def __call__(self, chunk: bytes, limit: int) -> bytes:
        try:
            return self._engine.decompress(chunk, max(limit, 1))
        except zlib.error as error:
            raise httpx.DecodingError(str(error)) from error


def _inflater(encoding: str) -> _Inflate | None:
    coding = encoding.strip().lower()
    if coding in ("", "identity"):
        return None
    if coding in ("gzip", "x-gzip", "deflate"):
        return _Inflate()
    raise httpx.DecodingError("a content encoding that was not asked for")
