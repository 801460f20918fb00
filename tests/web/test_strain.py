"""Connections that ask for nothing: one machine cannot take the places of all others, and none for long."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
from tls_files import make
from web_rig import web

from runflowd.config.essentials import Listen
from runflowd.config.snapshot import Access
from runflowd.web import counted_socket, timeout_protocol
from runflowd.web.address import bind
from runflowd.web.app import Application
from runflowd.web.certificate import Certificate
from runflowd.web.counted_socket import network_of
from runflowd.web.peer import is_shared
from runflowd.web.uvicorn_runner import UvicornRunner

if TYPE_CHECKING:
    from pathlib import Path

    from anyio.abc import SocketStream

pytestmark = pytest.mark.anyio


async def silent(stack: AsyncExitStack, port: int) -> SocketStream:
    """A connection that sends nothing."""
    return await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))


async def is_closed(connection: SocketStream) -> bool:
    """Whether the other end closes it, within a time in which that is no matter of luck."""
    with anyio.fail_after(60):
        try:
            await connection.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return True
    return False


async def test_one_machine_gets_some_places_and_not_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its third connection is closed unread; who comes from elsewhere is served."""
    monkeypatch.setattr(counted_socket, "MAX_OF_ONE", 2)
    monkeypatch.setattr(Application, "is_shared", lambda _, address: address == "127.0.0.2")
    async with web(tmp_path) as rig, AsyncExitStack() as stack:
        for _ in range(2):
            await silent(stack, rig.port)
        third = await is_closed(await silent(stack, rig.port))
        elsewhere = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        async with httpx.AsyncClient(transport=elsewhere) as http:
            other = await http.get(f"http://127.0.0.1:{rig.port}/healthz")

    assert (True, 200) == (third, other.status_code)


async def test_who_takes_all_places_and_keeps_silent_takes_them_from_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that is silent for longest gives way; who asked for something, or comes from elsewhere, does not."""
    monkeypatch.setattr(counted_socket, "MAX_CONNECTIONS", 4)
    monkeypatch.setattr(timeout_protocol, "HEADERS_TIMEOUT", 60.0)
    monkeypatch.setattr(Application, "is_shared", lambda _, address: address == "127.0.0.1")
    async with web(tmp_path) as rig, AsyncExitStack() as stack:
        other = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", rig.port, local_host="127.0.0.2"))
        stream = await stack.enter_async_context(rig.http.stream("GET", "/events"))
        oldest, _ = [await silent(stack, rig.port) for _ in range(2)]
        async with httpx.AsyncClient(timeout=30) as http:
            answer = await http.get(f"http://127.0.0.1:{rig.port}/healthz")
        await other.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")

        assert (200, True, b"HTTP/1.1 200") == (answer.status_code, await is_closed(oldest), await other.receive(12))
        assert (200, False) == (stream.status_code, stream.is_closed)


async def test_where_everybody_is_being_answered_nobody_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that comes then is closed unread."""
    monkeypatch.setattr(counted_socket, "MAX_CONNECTIONS", 1)
    async with web(tmp_path) as rig, AsyncExitStack() as stack:
        await stack.enter_async_context(rig.http.stream("GET", "/events"))

        assert await is_closed(await silent(stack, rig.port))


@pytest.mark.parametrize(
    ("address", "shared"),
    [("127.0.0.1", True), ("::1", True), ("10.0.0.5", True), ("::ffff:10.0.0.5", True), ("10.0.0.6", False)],
)
def test_this_machine_and_a_proxy_bring_many_people(address: str, *, shared: bool) -> None:
    """One number of connections for all of them would shut most of them out."""
    assert shared is is_shared(address, Access("", "", "", proxies=("10.0.0.5",)))


@pytest.mark.parametrize(
    ("address", "machine"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
    ],
)
def test_what_one_machine_has_for_itself(address: str, machine: str) -> None:
    """With IPv6 that is a whole network, so it can come from any address of it."""
    assert machine == network_of(address)


async def test_a_connection_that_asks_for_nothing_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place is free again."""
    monkeypatch.setattr(timeout_protocol, "HEADERS_TIMEOUT", 0.05)
    async with web(tmp_path) as rig, AsyncExitStack() as stack:
        assert await is_closed(await silent(stack, rig.port))


async def test_a_connection_that_never_agrees_on_encryption_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as one without any; asyncio by itself waits a minute. Who does agree is served."""
    monkeypatch.setattr(timeout_protocol, "HEADERS_TIMEOUT", 0.5)
    certificate, key = make(tmp_path, "page")
    async with web(tmp_path) as rig, AsyncExitStack() as stack, anyio.create_task_group() as group:
        bound = bind(Listen("127.0.0.1", 0))
        port = bound.socket.getsockname()[1]
        await group.start(UvicornRunner(rig.application, [bound], Certificate(str(certificate), str(key))).run)
        closed = await is_closed(await silent(stack, port))
        async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=str(certificate)), timeout=30) as http:
            served = await http.get(f"https://127.0.0.1:{port}/healthz")
        group.cancel_scope.cancel()

    assert (True, 200) == (closed, served.status_code)
