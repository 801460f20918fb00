"""A server on a real socket that answers byte by byte as told: wrong, cut, slow, or not at all.

A behaviour is an async function of the connection and the request it was sent. The server takes one
behaviour per request from its script and repeats the last one for ever.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSListener

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, anyio.IncompleteRead)


@dataclass(frozen=True)
class Seen:
    """A request as it came over the line; header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Behaviour: TypeAlias = "Callable[[SocketStream, Seen], Awaitable[None]]"


@dataclass
class HostileServer:
    """Where it listens, and what it was asked so far."""

    port: int
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        """The server's address as a service URL."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def hostile_server(*script: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[HostileServer]:
    """Serve `script` on a free loopback port until the block ends, over TLS if a context is given."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    server = HostileServer(listener.extra(SocketAttribute.local_port))
    steps = list(script)

    async def serve(stream: Any) -> None:
        server.connections += 1
        reader = BufferedByteReceiveStream(stream)
        async with stream:
            try:
                while True:
                    request = await _read(reader)
                    server.seen.append(request)
                    await (steps.pop(0) if len(steps) > 1 else steps[0])(stream, request)
            except GONE:
                return

    async with listener, anyio.create_task_group() as group:
        if tls is None:
            group.start_soon(listener.serve, serve)
        else:
            group.start_soon(TLSListener(listener, tls, standard_compatible=False).serve, serve)
        yield server
        group.cancel_scope.cancel()


async def _read(reader: BufferedByteReceiveStream) -> Seen:
    head = (await reader.receive_until(b"\r\n\r\n", 65_536)).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.receive_exactly(int(headers.get("content-length", "0")))
    return Seen(method, target, headers, body)


def head(status: int, headers: dict[str, str]) -> bytes:
    """The bytes of a status line and headers, whatever nonsense they hold."""
    lines = [f"HTTP/1.1 {status} Said"] + [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def answer(body: bytes = b"", status: int = 200, **headers: str) -> Behaviour:
    """Answer honestly. Header names are given with underscores."""
    json_answer = {name.replace("_", "-"): value for name, value in headers.items()}

    async def behave(stream: SocketStream, _: Seen) -> None:
        await stream.send(head(status, {"content-length": str(len(body))} | json_answer) + body)

    return behave


def json_answer(value: Any, status: int = 200, **headers: str) -> Behaviour:
    """Answer with JSON."""
    return answer(json.dumps(value).encode(), status, **{"content_type": "application/json"} | headers)


def raw(data: bytes) -> Behaviour:
    """Send exactly these bytes and hang up."""

    async def behave(stream: SocketStream, _: Seen) -> None:
        await stream.send(data)
        await stream.aclose()

    return behave


async def hang_up(stream: SocketStream, _: Seen) -> None:
    """Close the connection without a word."""
    await stream.aclose()


async def stay_silent(stream: SocketStream, _: Seen) -> None:
    """Take the request and never answer."""
    await stream.receive()


def drip(start: bytes) -> Behaviour:
    """Send `start`, then one byte at a time for as long as anyone listens."""

    async def behave(stream: SocketStream, _: Seen) -> None:
        await stream.send(start)
        while True:
            await stream.send(b" ")
            await anyio.sleep(0.01)

    return behave


def endless(start: bytes) -> Behaviour:
    """Send `start`, then data as fast as it is taken."""

    async def behave(stream: SocketStream, _: Seen) -> None:
        await stream.send(start)
        while True:
            await stream.send(b"x" * 65_536)

    return behave
