"""HTTP over sockets: connections that are kept, answers that are lost, and servers that say anything at all."""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute
from hostile_server import answer, endless, hang_up, head, hostile_server, json_answer, raw

from runflowd.api import Limits, Runflow, Service, Transient, Upload
from runflowd.api.http import DirectTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from anyio.abc import SocketStream
    from hostile_server import Behaviour, Seen

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


def transport(most: int = 10) -> DirectTransport:
    """Connections to whatever is asked for."""
    return DirectTransport(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), most)


def request(url: str, method: str = "GET", **more: Any) -> httpx.Request:
    """A request whose steps may take a second each."""
    pace = {"connect": 1, "read": 1, "write": 1, "pool": 0.05}
    return httpx.Request(method, url, extensions={"timeout": pace}, **more)


async def ask(over: DirectTransport, url: str) -> bytes:
    """The answer to one request."""
    response = await over.handle_async_request(request(url))
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


async def test_a_connection_is_kept_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies between may forget it without a word."""
    monkeypatch.setattr("runflowd.api.http.direct.KEEPALIVE", -1.0)
    async with serving() as server, transport() as connections:
        answers = [await ask(connections, server.url) for _ in range(2)]

    assert ([b"ok"] * 2, 2) == (answers, server.connections)


async def test_connections_to_other_servers_make_room() -> None:
    """No more stand open than may be in use at once, whoever they lead to."""
    async with serving() as first, serving() as second, transport(1) as connections:
        for server in (first, second, first):
            assert b"ok" == await ask(connections, server.url)

    assert (2, 1) == (first.connections, second.connections)


async def test_a_request_that_finds_no_free_connection_never_leaves() -> None:
    """The exception says so, and the next one that ends makes room."""
    async with (
        hostile_server(endless(head(200, {})), answer(b"ok")) as server,
        transport(1) as connections,
    ):
        busy = await connections.handle_async_request(request(server.url))
        with pytest.raises(httpx.PoolTimeout):
            await connections.handle_async_request(request(server.url))
        await busy.aclose()

        assert (b"ok", 2) == (await ask(connections, server.url), len(server.seen))


@pytest.mark.parametrize(
    "surplus", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"noise"], ids=["a second answer", "noise"]
)
async def test_what_nobody_asked_for_is_no_answer_to_the_next_request(surplus: bytes) -> None:
    """The connection that brought it is closed."""

    async def twice(stream: SocketStream, seen: Seen) -> None:
        await answer(b"ok")(stream, seen)
        await stream.send(surplus)
        sent.set()

    async def at_once(stream: SocketStream, _: Seen) -> None:
        await stream.send(ANSWER + surplus)

    sent = anyio.Event()
    async with hostile_server(at_once, twice, answer(b"next")) as server, transport() as connections:
        answers = [await ask(connections, server.url) for _ in range(2)]
        await sent.wait()
        answers.append(await ask(connections, server.url))

    assert ([b"ok", b"ok", b"next"], 3) == (answers, server.connections)


async def test_what_came_while_a_connection_waited_is_no_answer_either() -> None:
    """Also once the event loop has taken it from the line."""

    async def later(stream: SocketStream, _: Seen) -> None:
        await stream.send(ANSWER)
        await asked.wait()
        await stream.send(ANSWER)

    asked = anyio.Event()
    async with hostile_server(later, answer(b"next")) as server, transport() as connections:
        answers = [await ask(connections, server.url)]
        asked.set()
        await anyio.wait_all_tasks_blocked()
        answers.append(await ask(connections, server.url))

    assert ([b"ok", b"next"], 2) == (answers, server.connections)


@pytest.mark.parametrize("behaviour", [hang_up, raw(b"HTTP/1.1 200 OK\r\nContent-Le")], ids=["silent", "half a head"])
async def test_a_lost_answer_is_asked_for_once_and_leaves_a_doubt(behaviour: Behaviour) -> None:
    """Also over a connection that was used before: no method is repeated unasked, and a purchase may be done."""
    async with hostile_server(json_answer({"id": "b"}), behaviour) as server, Runflow(Service(server.url)) as client:
        await client.batch("b")
        with pytest.raises(Transient) as read:
            await client.batch("b")
        with pytest.raises(Transient) as bought:
            await client.create_batch("a/b", b"{}", "k")

    assert (3, False, True) == (len(server.seen), read.value.ambiguous, bought.value.ambiguous)


async def test_a_line_that_breaks_after_a_purchase_leaves_a_doubt() -> None:
    """A reset is no connection that was never made."""

    async def reset(stream: SocketStream, _: Seen) -> None:
        stream.extra(SocketAttribute.raw_socket).setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        await stream.aclose()

    async with hostile_server(reset) as server, Runflow(Service(server.url)) as client:
        with pytest.raises(Transient) as caught:
            await client.create_batch("a/b", b"{}", "k")

    assert (1, True) == (len(server.seen), caught.value.ambiguous)


async def test_a_server_that_is_not_there_leaves_no_doubt() -> None:
    """Nothing can have left."""
    async with serving() as gone:
        url = gone.url
    async with Runflow(Service(url)) as client:
        with pytest.raises(Transient) as caught:
            await client.create_batch("a/b", b"{}", "k")

    assert not caught.value.ambiguous


async def test_a_server_that_takes_nothing_is_given_up() -> None:
    """Its buffers are full, and nobody reads them."""

    async def endless_file() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65_536

    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        async with Runflow(Service(url), limits=Limits(idle=0.05)) as client:
            with pytest.raises(Transient, match="WriteTimeout"):
                await client.put(Upload("a", url), "image/png", 10**9, endless_file)


@pytest.mark.parametrize(
    "target",
    ["/a%2Fb%7Ec/d~e?X-Sig=a%2Fb%7E%2B%20%3D+&x=~", "/%e2%82%ac/%2e%2e/b;c=d,e?a=b&a=%26&empty=&bare"],
)
async def test_a_signed_link_is_sent_as_it_was_given(target: str) -> None:
    """Another spelling of the same address has another signature."""
    async with hostile_server(answer(b"x")) as server, Runflow(Service(server.url)) as client:
        await client.put(Upload("a", server.url + target), "image/png", 1, one_byte)
        async with client.download(server.url + target, 10) as download:
            assert b"x" == b"".join([piece async for piece in download.chunks])

    assert [target] * 2 == [seen.target for seen in server.seen]


async def one_byte() -> AsyncIterator[bytes]:
    """A file of one byte."""
    yield b"x"


async def test_nothing_of_an_answer_is_carried_over_to_the_next_request(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No cookies, no redirects, and no logins that somebody left in ~/.netrc."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    elsewhere = answer(status=307, location="/elsewhere", set_cookie="who=me")
    async with hostile_server(elsewhere, answer(b"ok")) as server, transport() as connections:
        statuses = [(await connections.handle_async_request(request(server.url))).status_code for _ in range(2)]

    assert ([307, 200], [{"host"}] * 2) == (statuses, [seen.headers.keys() - {""} for seen in server.seen])


@pytest.mark.parametrize("headers", [{"X": "a\r\nY: b"}, {"X": "a\nb"}, {"X": "a\0"}, {"X y": "a"}, {"": "a"}])
async def test_no_header_becomes_two(headers: dict[str, str]) -> None:
    """What would be read as something else is not sent, and the exception says that nothing was."""
    async with serving() as server, transport() as connections:
        with pytest.raises(httpx.LocalProtocolError):
            await connections.handle_async_request(request(server.url, headers=headers))

    assert 0 == server.connections


async def test_interim_answers_are_passed_over() -> None:
    """100, 102 and 103 may come before the answer (RFC 9110 section 15.2)."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    async with hostile_server(raw(interim + ANSWER)) as server, transport() as connections:
        response = await connections.handle_async_request(request(server.url))

        assert (200, b"ok", None) == (response.status_code, await response.aread(), response.headers.get("link"))


LENGTH, CHUNKED = b"Content-Length: 2\r\n", b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"HTTP/1.1 101 Other\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + LENGTH + CHUNKED + b"\r\n0\r\n\r\n", id="two framings"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + LENGTH + b"Content-Length: 3\r\n\r\nok", id="two lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", id="an unknown coding"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, id="headers without end"),
        pytest.param(b"HTTP/1.1 100 Go on\r\n\r\n" * 5_000, id="interim answers without end"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", id="no HTTP"),
    ],
)
async def test_what_is_no_proper_answer_is_none(said: bytes) -> None:
    """It is never guessed at; the request may have been carried out."""

    async def say(stream: SocketStream, _: Seen) -> None:
        await stream.send(said)
        await anyio.sleep_forever()

    async with hostile_server(say) as server, Runflow(Service(server.url)) as client:
        with pytest.raises(Transient, match="RemoteProtocolError") as caught:
            await client.create_batch("a/b", b"{}", "k")

    assert caught.value.ambiguous


async def test_a_body_without_a_length_ends_with_its_connection() -> None:
    """As HTTP/1.0 had it (RFC 9112 section 6.3)."""
    async with hostile_server(raw(b"HTTP/1.0 200 OK\r\n\r\nall of it")) as server, transport() as connections:
        assert b"all of it" == await ask(connections, server.url)


async def test_trailers_are_no_headers() -> None:
    """What comes behind a chunked body was not there when the answer was judged."""
    said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nLocation: /x\r\n\r\n"
    async with hostile_server(raw(said)) as server, transport() as connections:
        response = await connections.handle_async_request(request(server.url))

        assert (b"ok", None) == (await response.aread(), response.headers.get("location"))
