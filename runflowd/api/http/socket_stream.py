"""A TCP connection as anyio knows streams, read all the time.

anyio's own stream begins to read with each `receive`, stops behind it, and lets the event loop turn after each `send`:
two system calls and a turn of the loop more for each request, and at every one the interpreter's lock changes hands.
So this is the one place of the client that knows asyncio.
"""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
from anyio.abc import ByteStream, SocketAttribute

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from typing import Any

PIECE = 256 * 1024
"""Bytes taken from the line at once."""

MAX_WAITING = 2 * PIECE
"""Bytes that wait to be received before no more are taken from the line."""

HEAD_START = 0.25
"""Seconds that an address of a host has before the next one is tried as well (RFC 8305 section 5)."""

_incoming = memoryview(bytearray(PIECE))
"""Filled and emptied within one step of the event loop, for all connections: a buffer made for each read costs more."""


class SocketStream(ByteStream, asyncio.BufferedProtocol):
    """Bytes to and from a server. Raises `OSError` where the line breaks, and `anyio.EndOfStream` at its end."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._socket: socket.socket
        self._poll = select.poll()
        self._waiting: list[bytes] = []
        self._size = 0
        self._ended = False
        self._error: Exception | None = None
        self._heard: asyncio.Future[None] | None = None
        self._blocked: asyncio.Future[None] | None = None
        self._paused = False

    @property
    def is_quiet(self) -> bool:
        """Whether nothing came that nobody has received, be it the end. Asks the system, too."""
        # A socket that was closed under us has no number any more, or rather somebody else has it.
        quiet = not (self._waiting or self._ended) and self._socket.fileno() >= 0
        return quiet and not self._poll.poll(0)

    async def send(self, item: bytes) -> None:
        """Hand all of it to the system."""
        if self._error is not None or self._transport.is_closing():
            raise self._error or anyio.ClosedResourceError
        self._transport.write(item)
        if self._blocked is not None:
            await self._blocked

    async def receive(self, max_bytes: int = PIECE) -> bytes:
        """The next bytes, once there are any."""
        if not self._waiting and not self._ended:
            self._heard = asyncio.get_running_loop().create_future()
            try:
                await self._heard
            finally:
                self._heard = None
        if not self._waiting:
            raise self._error or anyio.EndOfStream
        found = self._waiting.pop(0)
        if len(found) > max_bytes:
            self._waiting.insert(0, found[max_bytes:])
            found = found[:max_bytes]
        self._size -= len(found)
        if self._paused and self._size <= MAX_WAITING:
            self._paused = False
            self._transport.resume_reading()
        return found

    async def send_eof(self) -> None:
        """Say that nothing more will be sent."""
        self._transport.write_eof()

    async def aclose(self) -> None:
        """Close at once."""
        self._transport.abort()
        await anyio.lowlevel.checkpoint()  # in which the socket is closed

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        """What anyio's own streams tell of themselves, as far as it is asked for."""
        return {
            SocketAttribute.raw_socket: lambda: self._socket,
            SocketAttribute.remote_address: lambda: self._transport.get_extra_info("peername"),
        }

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(0)  # then whoever sends waits until the system has all of it
        self._transport = transport
        self._socket = transport.get_extra_info("socket")
        self._poll.register(self._socket, select.POLLIN)

    def get_buffer(self, _sizehint: int) -> memoryview:
        return _incoming

    def buffer_updated(self, nbytes: int) -> None:
        self._waiting.append(bytes(_incoming[:nbytes]))
        self._size += nbytes
        if self._size > MAX_WAITING:
            self._paused = True
            self._transport.pause_reading()
        _wake(self._heard)

    def eof_received(self) -> bool:
        self._ended = True
        _wake(self._heard)
        return True  # a server that has ended its side may still read ours

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._error = exc
        _wake(self._heard)
        self.resume_writing()

    def pause_writing(self) -> None:
        self._blocked = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        blocked, self._blocked = self._blocked, None
        if blocked is not None and not blocked.done():
            if self._ended and self._error is not None:
                blocked.set_exception(self._error)
            else:
                blocked.set_result(None)


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


async def connect_stream(host: str, port: int) -> SocketStream:
    """Connect to the address of `host` that answers first. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    _, stream = await loop.create_connection(SocketStream, host, port, happy_eyeballs_delay=HEAD_START)
    return stream
