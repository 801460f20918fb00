"""The daemon's connections: how much they take from the line, and how much they leave to it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from runflowd.api.http.socket_stream import MAX_WAITING, PIECE, SocketStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

ENOUGH = 100 * MAX_WAITING


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[SocketStream, socket.socket]]:
    """A stream and the other end of its line, which does not block."""
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    with far:
        _, stream = await asyncio.get_running_loop().create_connection(SocketStream, sock=near)
        async with stream:
            yield stream, far


async def taken(far: socket.socket) -> int:
    """Bytes that the stream takes while nobody receives them."""
    size, turns = 0, 0
    while turns < 10 and size < ENOUGH:
        try:
            size, turns = size + far.send(b"x" * PIECE), 0
        except BlockingIOError:
            turns += 1
            await anyio.lowlevel.checkpoint()
    return size


async def test_a_line_that_nobody_receives_from_is_not_read() -> None:
    """What a server sends lies in its buffers and not in our memory, and none of it is lost."""
    async with connected() as (stream, far):
        size = await taken(far)
        far.shutdown(socket.SHUT_WR)
        received = sum([len(piece) async for piece in stream])

    assert (True, size) == (size < 10 * MAX_WAITING, received)


async def test_whoever_sends_waits_for_the_line() -> None:
    """A server that takes nothing is noticed by that."""
    data = b"x" * ENOUGH
    async with connected() as (stream, far), anyio.create_task_group() as group:
        sent = anyio.Event()

        async def send() -> None:
            await stream.send(data)
            sent.set()

        group.start_soon(send)
        await anyio.wait_all_tasks_blocked()
        waited, size = not sent.is_set(), 0
        while size < len(data):
            await anyio.wait_readable(far)
            size += len(far.recv(PIECE))

        assert (True, len(data)) == (waited, size)


async def test_a_line_that_breaks_while_somebody_sends_is_an_error() -> None:
    """Not a wait without an end."""
    async with connected() as (stream, far), anyio.create_task_group() as group:

        async def send() -> None:
            with pytest.raises(OSError, match=r"reset|pipe"):
                await stream.send(b"x" * ENOUGH)

        group.start_soon(send)
        await anyio.wait_all_tasks_blocked()
        far.close()


async def test_a_piece_is_cut_where_less_is_wanted() -> None:
    """TLS asks for so many bytes, and the rest comes next."""
    async with connected() as (stream, far):
        far.send(b"abc")

        assert [b"ab", b"c"] == [await stream.receive(2), await stream.receive(2)]


async def test_a_line_is_quiet_until_something_comes() -> None:
    """Whatever has come, received or not, and be it the end."""
    async with connected() as (stream, far):
        before = stream.is_quiet
        far.send(b"x")
        unread = stream.is_quiet
        await anyio.wait_all_tasks_blocked()
        read = stream.is_quiet
        await stream.receive()
        received = stream.is_quiet
        far.close()
        await anyio.wait_all_tasks_blocked()

        assert [True, False, False, True, False] == [before, unread, read, received, stream.is_quiet]
