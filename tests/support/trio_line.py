"""Connections of clients under test: the daemon's own where asyncio runs, and what takes their place on trio."""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING

import anyio
from anyio.abc import ByteStream, SocketAttribute

from runflowd.api.http.socket_stream import connect_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from anyio.abc import SocketStream


class TrioLine(ByteStream):
    """What `runflowd.api.http.socket_stream.SocketStream` is, over a stream of anyio's."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self._socket = stream.extra(SocketAttribute.raw_socket)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing came that nobody has received, be it the end."""
        return self._socket.fileno() >= 0 and not self._poll.poll(0)

    async def send(self, item: bytes) -> None:
        """As the stream does."""
        await self._stream.send(item)

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """As the stream does."""
        return await self._stream.receive(max_bytes)

    async def send_eof(self) -> None:
        """As the stream does."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """As the stream does."""
        await self._stream.aclose()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        """What anyio tells of the stream."""
        return self._stream.extra_attributes


async def connect_line(host: str, port: int) -> ByteStream:
    """In place of `connect_stream`, which this is on asyncio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return TrioLine(await anyio.connect_tcp(host, port))
    return await connect_stream(host, port)
