"""Connections that wait for their next request, and what a server may do to them meanwhile."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from runflowd.api.sockets import DirectTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream

pytestmark = pytest.mark.anyio

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both event loops: the daemon runs on one, its stage tests on the other."""
    name: str = request.param
    return name


class Server:
    """Counts its connections; closes each after one answer if it is `hasty`, without having said so."""

    def __init__(self, *, hasty: bool) -> None:
        self._hasty = hasty
        self.connections = 0
        self.closed = anyio.Event()
        self.url = ""

    async def serve(self, stream: SocketStream) -> None:
        """One connection."""
        self.connections += 1
        async with stream:
            while await self._read_head(stream):
                await stream.send(ANSWER)
                if self._hasty:
                    break
        self.closed.set()

    async def _read_head(self, stream: SocketStream) -> bool:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            try:
                head += await stream.receive()
            except anyio.EndOfStream:
                return False
        return True


@asynccontextmanager
async def serving(*, hasty: bool = False) -> AsyncIterator[Server]:
    """A server on a port of its own."""
    server = Server(hasty=hasty)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        server.url = f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}/"
        group.start_soon(listener.serve, server.serve)
        yield server
        group.cancel_scope.cancel()


def transport() -> DirectTransport:
    """Connections to whatever is asked for."""
    return DirectTransport(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), httpx.Limits())


async def ask(over: DirectTransport, url: str, **extensions: Any) -> bytes:
    """The answer to one request."""
    response = await over.handle_async_request(httpx.Request("GET", url, extensions=extensions))
    return await response.aread()


async def test_a_connection_is_used_again() -> None:
    """It is idle, and the server keeps it."""
    async with serving() as server, transport() as connections:
        answers = [await ask(connections, server.url) for _ in range(3)]

    assert ([b"ok"] * 3, 1) == (answers, server.connections)


async def test_a_connection_that_was_closed_while_it_waited_is_not_used_again() -> None:
    """A purchase sent over it would be in doubt."""
    async with serving(hasty=True) as server, transport() as connections:
        answers = []
        for _ in range(3):
            server.closed = anyio.Event()
            answers.append(await ask(connections, server.url))
            await server.closed.wait()

    assert ([b"ok"] * 3, 3) == (answers, server.connections)


async def test_a_socket_that_is_gone_counts_as_closed() -> None:
    """Its number may be anybody's by now."""
    streams = []

    async def trace(event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            streams.append(info["return_value"])

    async with serving() as server, transport() as connections:
        await ask(connections, server.url, trace=trace)
        before = streams[0].get_extra_info("is_readable")
        await streams[0].aclose()

        assert (False, True) == (before, streams[0].get_extra_info("is_readable"))
