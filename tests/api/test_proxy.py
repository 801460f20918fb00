"""A proxy looks names up itself: what a service names must not lead through it into the network (scenario 115).

The proxy here is a real one over sockets, and takes whoever asks to a server inside, whatever name was given.
"""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from hostile_server import HostileServer, answer, hostile_server

from runflowd.api import Runflow, Service, Unsafe
from runflowd.api.values import Upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream
    from hostile_server import Behaviour, Seen

pytestmark = pytest.mark.anyio

NAMES = {
    "cdn.example.net": ["93.184.215.14"],
    "rebound.example.net": ["169.254.169.254"],
    "router.example.net": ["192.168.1.1"],
    "half.example.net": ["93.184.215.14", "fd00::1"],
    "embedded.example.net": ["64:ff9b::a9fe:a9fe"],
}
"""What this machine can look up."""

INSIDE = [
    *sorted(NAMES.keys() - {"cdn.example.net"}),
    *("2852039166", "0xa9fea9fe", "169.254.43518", "0251.0376.0251.0376", "169.254.169.254.", "169.254.169.254"),
    *("metadata", "metadata.google.internal", "printer.local", "router.home.arpa", "localhost."),
]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both event loops."""
    name: str = request.param
    return name


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver of the test's own; numbers in disguise are read as the system reads them."""
    look_up = socket.getaddrinfo

    def found(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name in NAMES:
            return [each for address in NAMES[name] for each in look_up(address, port, *rest, **named)]
        if name.rpartition(".")[2].isalpha():
            raise socket.gaierror(socket.EAI_NONAME, "nobody knows this name")
        return look_up(host, port, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", found)


def leading_to(port: int) -> Behaviour:
    """What a proxy does: with a tunnel or a request of its own."""

    async def behave(stream: SocketStream, asked: Seen) -> None:
        async with await anyio.connect_tcp("127.0.0.1", port) as inside:
            target = httpx.URL(asked.target)
            head = f"{asked.method} {target.raw_path.decode()} HTTP/1.1\r\nHost: {target.host}\r\n"
            length = f"Content-Length: {len(asked.body)}\r\nConnection: close\r\n\r\n"
            await inside.send((head + length).encode() + asked.body)
            await stream.send(await inside.receive())

    return behave


@asynccontextmanager
async def behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[HostileServer, HostileServer]]:
    """The proxy of the environment, and a server inside that it can reach."""
    async with hostile_server(answer(b"credentials")) as inside, hostile_server(leading_to(inside.port)) as proxy:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        yield proxy, inside


async def fetched(client: Runflow, url: str) -> bytes:
    """The content of a result."""
    async with client.download(url, 100) as download:
        return b"".join([chunk async for chunk in download.chunks])


async def nothing() -> AsyncIterator[bytes]:
    """A file of one byte."""
    yield b"x"


@pytest.mark.parametrize("name", INSIDE)
async def test_no_name_leads_through_a_proxy_into_the_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither to a result nor as a place for a file, in cleartext or not: the proxy is not even asked."""
    async with behind_a_proxy(monkeypatch) as (proxy, inside), Runflow(Service("http://api.example.net")) as client:
        for scheme in ("http", "https"):
            url = f"{scheme}://{name}/latest/meta-data"
            with pytest.raises(Unsafe, match="refused"):
                await fetched(client, url)
            with pytest.raises(Unsafe, match="refused"):
                await client.put(Upload("a", url), "image/png", 1, nothing)

    assert ([], []) == (proxy.seen, inside.seen)


@pytest.mark.parametrize("name", ["cdn.example.net", "known-to-the-proxy-alone.example.net"])
async def test_a_public_name_is_asked_for_through_the_proxy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the proxy can look names up, it is for the proxy to refuse."""
    async with behind_a_proxy(monkeypatch) as (proxy, _), Runflow(Service("http://api.example.net")) as client:
        assert b"credentials" == await fetched(client, f"http://{name}/a.png")
        assert [f"http://{name}/a.png"] == [each.target for each in proxy.seen]


async def test_the_services_own_host_may_lie_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator named it."""
    async with behind_a_proxy(monkeypatch), Runflow(Service("http://router.example.net")) as client:
        assert b"credentials" == await fetched(client, "http://router.example.net/a.png")
