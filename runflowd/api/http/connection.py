"""One connection to a server, for one request at a time."""

from __future__ import annotations

import re
import select
from typing import TYPE_CHECKING

import anyio
import httpx
from anyio.abc import SocketAttribute

if TYPE_CHECKING:
    from anyio.abc import ByteStream

PIECE = 256 * 1024
"""Bytes taken from the line at once."""

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
    """Bytes to and from a server, with the failures of the line in httpx's words."""

    def __init__(self, stream: ByteStream, origin: Origin) -> None:
        self.origin = origin
        self.idle_since = 0.0
        self.sent_whole = False
        """Whether the last request left as a whole; one that did not leaves a connection of no further use."""
        self._stream = stream
        self._socket = stream.extra(SocketAttribute.raw_socket)  # noqa: S610  anyio's, not Django's
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def is_stale(self) -> bool:
        """Whether the server has closed an idle connection, or sent what nobody asked for."""
        # A socket that was closed under us has no number any more, or rather somebody else has it.
        return self._socket.fileno() < 0 or bool(self._poll.poll(0))

    async def send(self, request: httpx.Request, head: bytes, seconds: float | None) -> None:
        """Send a request, each piece within `seconds`; what its body raises passes through.

        A server may answer and hang up before it has read everything, so a broken line is told by `receive`.
        Raises `httpx.WriteTimeout`.
        """
        self.sent_whole = False
        try:
            if isinstance(request.stream, httpx.ByteStream):
                await self._send_piece(head + request.content, seconds)
            else:
                await self._send_piece(head, seconds)
                assert isinstance(request.stream, httpx.AsyncByteStream)
                async for piece in request.stream:
                    await self._send_piece(piece, seconds)
        except _Broken:
            return
        self.sent_whole = True

    async def _send_piece(self, piece: bytes, seconds: float | None) -> None:
        try:
            with anyio.fail_after(seconds):
                await self._stream.send(piece)
        except TimeoutError:
            raise httpx.WriteTimeout(f"the server took nothing for {seconds} seconds") from None
        except _BROKEN as error:
            raise _Broken from error

    async def receive(self, seconds: float | None) -> bytes:
        """The next bytes, b"" when there are no more. Raises `httpx.ReadTimeout` and `ReadError`."""
        try:
            with anyio.fail_after(seconds):
                return await self._stream.receive(PIECE)
        except TimeoutError:
            raise httpx.ReadTimeout(f"the server sent nothing for {seconds} seconds") from None
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
