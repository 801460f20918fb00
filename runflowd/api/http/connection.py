"""One connection to a server, for one request at a time."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import httpx

from runflowd.api.http.response_parser import ResponseParser
from runflowd.api.http.socket_stream import PIECE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyio.abc import ByteStream

    from runflowd.api.http.socket_stream import SocketStream

    Pace = Mapping[str, float | None]
    """Seconds that single steps may take, by httpx's names for them."""

_HEAD = re.compile(rb"[A-Z]+ [\x21-\x7e]+ HTTP/1\.1\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\0\r\n]*\r\n)+\r\n")
"""RFC 9112: a token, a target, and header lines without control over the next line."""

_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)

Origin = tuple[str, bytes, int | None]
"""Scheme, host and port, of which only the last may be left to the scheme."""


def origin_of(url: httpx.URL) -> Origin:
    """Which server a URL leads to."""
    return url.scheme, url.raw_host, url.port


def head_of(request: httpx.Request) -> bytes:
    """The request line and headers. Raises `httpx.LocalProtocolError` for what would be read as something else."""
    headers = request.headers.raw
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in headers]
    head = b"\r\n".join([*lines, b"", b""])
    if head.count(b"\r\n") != len(headers) + 2 or not _HEAD.fullmatch(head):
        raise httpx.LocalProtocolError("the request holds characters that no header may hold")
    if "transfer-encoding" in request.headers:
        raise httpx.LocalProtocolError("the length of the body is not known")
    return head


class Connection:
    """Bytes to and from a server by a `line`, or by TLS over it, with the failures of the line in httpx's words."""

    def __init__(self, line: SocketStream, stream: ByteStream, origin: Origin) -> None:
        self.origin = origin
        self.idle_since = 0.0
        self.sent_whole = False
        """Whether the last request left as a whole; one that did not leaves a connection of no further use."""
        self._line = line
        self._stream = stream

    def is_stale(self) -> bool:
        """Whether the server has closed an idle connection, or sent what nobody asked for."""
        return not self._line.is_quiet

    async def exchange(self, request: httpx.Request, head: bytes, pace: Pace) -> ResponseParser:
        """Send a request and hear the headers of its answer; what the request's body raises passes through.

        A server may answer and hang up before it has read everything, so a line that breaks is told by what is heard.
        Raises `httpx.WriteTimeout`, `ReadTimeout`, `ReadError` and `RemoteProtocolError`.
        """
        self.sent_whole = False
        parser = ResponseParser()
        # One scope for all steps, its deadline moved from one to the next: a scope costs as much as a small answer.
        with anyio.CancelScope() as limit:
            with suppress(_Broken):
                await self._send(request, head, limit, pace.get("write"))
                self.sent_whole = True
            while not parser.has_headers:
                limit.deadline = _from_now(pace.get("read"))
                parser.feed(await self._heard())
            return parser
        if self.sent_whole:
            raise httpx.ReadTimeout(f"the server sent nothing for {pace.get('read')} seconds")
        raise httpx.WriteTimeout(f"the server took nothing for {pace.get('write')} seconds")

    async def _send(self, request: httpx.Request, head: bytes, limit: anyio.CancelScope, seconds: float | None) -> None:
        if isinstance(request.stream, httpx.ByteStream):
            limit.deadline = _from_now(seconds)
            await self._take(b"".join([head, *request.stream]))
            return
        assert isinstance(request.stream, httpx.AsyncByteStream)
        async for piece in request.stream:
            limit.deadline = _from_now(seconds)
            await self._take(head + piece)  # together with the first piece, since each send costs the loop a turn
            head = b""
            limit.deadline = math.inf  # the time that our own disk takes is not the server's
        if head:
            limit.deadline = _from_now(seconds)
            await self._take(head)

    async def _take(self, piece: bytes) -> None:
        try:
            await self._stream.send(piece)
        except _BROKEN as error:
            raise _Broken from error

    async def receive(self, seconds: float | None) -> bytes:
        """The next bytes, b"" when there are no more. Raises `httpx.ReadTimeout` and `ReadError`."""
        with anyio.CancelScope(deadline=_from_now(seconds)):
            return await self._heard()
        raise httpx.ReadTimeout(f"the server sent nothing for {seconds} seconds")

    async def _heard(self) -> bytes:
        try:
            return await self._stream.receive(PIECE)
        except anyio.EndOfStream:
            return b""
        except _BROKEN as error:
            raise httpx.ReadError(str(error)) from error

    async def aclose(self) -> None:
        """Close at once, also for who is cancelled."""
        with anyio.CancelScope(shield=True):
            await self._stream.aclose()


class _Broken(Exception):
    """The line broke while a request was sent."""


def _from_now(seconds: float | None) -> float:
    return math.inf if seconds is None else anyio.current_time() + seconds
