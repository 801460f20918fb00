"""httpx's transport over connections of our own, which are kept for a while."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import anyio
import httpx

from runflowd.api.http.connecting import connect
from runflowd.api.http.connection import head_of, origin_of

if TYPE_CHECKING:
    import ssl

    from runflowd.api.http.connection import Connection
    from runflowd.api.http.response_parser import ResponseParser

    class Leave(Protocol):
        """Gives a connection back."""

        async def __call__(self, connection: Connection, *, keep: bool) -> None: ...


KEEPALIVE = 20.0
"""Seconds an idle connection is kept, a little longer than the usual polling interval."""


class ResponseBody(httpx.AsyncByteStream):
    """What of a body is still to come; `leave` gets the connection once nothing is."""

    def __init__(
        self,
        connection: Connection,
        parser: ResponseParser,
        seconds: float | None,
        leave: Leave,
    ) -> None:
        self._connection = connection
        self._parser = parser
        self._seconds = seconds
        self._leave = leave
        self._left = False

    def __aiter__(self) -> ResponseBody:
        return self

    async def __anext__(self) -> bytes:
        while not (piece := self._parser.take()):
            if self._parser.complete:
                await self.aclose()
                raise StopAsyncIteration
            if self._left:
                raise httpx.StreamClosed
            await self._go_on()
        return piece

    async def _go_on(self) -> None:
        try:
            self._parser.feed(await self._connection.receive(self._seconds))
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Give the connection back, to be closed unless all was read."""
        if not self._left:
            self._left = True
            await self._leave(self._connection, keep=self._parser.complete and self._parser.reusable)


class DirectTransport(httpx.AsyncBaseTransport):
    """Requests to servers themselves, as against a proxy, `most` at a time; others wait for a place.

    Reads httpx's extension `timeout`, and `admit`: a function that judges the address of a new connection.
    """

    def __init__(self, context: ssl.SSLContext, most: int) -> None:
        self._context = context
        self._room = anyio.Semaphore(most, fast_acquire=True)
        self._idle: list[Connection] = []
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and give the answer as soon as its headers are there."""
        head, pace = head_of(request), request.extensions.get("timeout", {})
        await self._enter(pace.get("pool"))
        connection: Connection | None = None
        try:
            connection = await self._kept(request.url) or await connect(
                request.url, self._context, pace.get("connect"), request.extensions.get("admit")
            )
            return await self._answer(connection, await connection.exchange(request, head, pace), pace.get("read"))
        except BaseException:
            await self._leave(connection, keep=False)
            raise

    async def aclose(self) -> None:
        """Close the connections that wait for a request."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.aclose()

    async def _enter(self, seconds: float | None) -> None:
        with suppress(anyio.WouldBlock):
            self._room.acquire_nowait()
            return
        try:
            with anyio.fail_after(seconds):
                await self._room.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout(f"no connection was free for {seconds} seconds") from None

    async def _answer(self, connection: Connection, parser: ResponseParser, seconds: float | None) -> httpx.Response:
        stream: httpx.AsyncByteStream = ResponseBody(connection, parser, seconds, self._leave)
        whole = parser.complete
        if whole:
            stream = httpx.ByteStream(parser.take())
        extensions = {"reason_phrase": parser.reason}
        response = httpx.Response(parser.status, headers=parser.headers, stream=stream, extensions=extensions)
        if whole:
            await self._leave(connection, keep=parser.reusable)
        return response

    async def _kept(self, url: httpx.URL) -> Connection | None:
        """The connection to the same server that was used last, if it still stands."""
        origin, oldest = origin_of(url), anyio.current_time() - KEEPALIVE
        while self._idle and self._idle[0].idle_since < oldest:
            await self._idle.pop(0).aclose()
        while found := next((each for each in reversed(self._idle) if each.origin == origin), None):
            self._idle.remove(found)
            if not found.is_stale():
                return found
            await found.aclose()
        while len(self._idle) > self._room.value:
            await self._idle.pop(0).aclose()
        return None

    async def _leave(self, connection: Connection | None, *, keep: bool) -> None:
        self._room.release()
        if connection is None:
            return
        if keep and connection.sent_whole and not self._closed:
            connection.idle_since = anyio.current_time()
            self._idle.append(connection)
        else:
            await connection.aclose()
