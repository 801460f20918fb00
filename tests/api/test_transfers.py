"""Uploads and downloads against a server that cuts, drips, lies and redirects."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from hostile_server import HostileServer, answer, drip, endless, hang_up, head, hostile_server, raw, stay_silent

from runflowd.api import (
    ApiError,
    Expired,
    Gone,
    Limits,
    Permanent,
    RateLimited,
    Runflow,
    Scope,
    SecretKey,
    Service,
    Transient,
    Unsafe,
    Upload,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from anyio.abc import SocketStream
    from hostile_server import Behaviour, Seen

pytestmark = pytest.mark.anyio

QUICK = Limits(connect=1, idle=1, total=0.3, transfer=0.3, least_rate=1_000_000)
EXPIRED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both event loops: the daemon runs on one, its stage tests on the other."""
    name: str = request.param
    return name


@asynccontextmanager
async def facing(*script: Behaviour, limits: Limits | None = None) -> AsyncIterator[tuple[Runflow, HostileServer]]:
    """A client and the server it talks to, which is service and storage in one."""
    async with hostile_server(*script) as server:
        service = Service(server.url, "", SecretKey("rf_live_secret"))
        async with Runflow(service, limits=limits) as client:
            yield client, server


def pieces(*chunks: bytes) -> Callable[[], AsyncIterator[bytes]]:
    """A source that gives these chunks."""

    async def give() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return give


async def fetch(client: Runflow, url: str, limit: int = 1_000_000) -> bytes:
    """Download the whole."""
    async with client.download(url, limit) as download:
        return b"".join([chunk async for chunk in download.chunks])


async def test_an_upload_is_sent_whole_with_its_length() -> None:
    """Object storage refuses chunked bodies, and the key belongs to the API alone."""
    async with facing(answer(status=204)) as (client, server):
        await client.put(Upload("a", server.url + "/put?sig=1"), "image/png", 10, pieces(b"01234", b"56789"))

    sent = server.seen[0]
    assert ("PUT", "/put?sig=1", b"0123456789", "image/png", "10") == (
        sent.method,
        sent.target,
        sent.body,
        sent.headers["content-type"],
        sent.headers["content-length"],
    )
    assert not {"authorization", "transfer-encoding", "idempotency-key"} & sent.headers.keys()


@pytest.mark.parametrize("chunks", [(b"0123",), (b"01234", b"5678", b"9ab")])
async def test_a_file_that_changes_under_the_upload_is_noticed(chunks: tuple[bytes, ...]) -> None:
    """Too few or too many bytes are the file's fault and nobody else's."""
    async with facing(answer(status=200)) as (client, server):
        with pytest.raises(Transient, match="changed size") as caught:
            await client.put(Upload("a", server.url), "image/png", 10, pieces(*chunks))

    assert (Scope.ITEM, False) == (caught.value.scope, caught.value.ambiguous)


async def test_the_readers_own_trouble_passes_through() -> None:
    """A file that cannot be read is not blamed on the service."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"01234"
        raise PermissionError(13, "not yours")

    async with facing(answer(status=200)) as (client, server):
        with pytest.raises(PermissionError, match="not yours"):
            await client.put(Upload("a", server.url), "image/png", 10, broken)


async def test_the_readers_file_is_closed_when_storage_hangs_up() -> None:
    """An upload that fails half-way leaves no open file behind."""
    closed = []

    async def source() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65_536
        finally:
            closed.append(True)

    async def refuse_early(stream: anyio.abc.SocketStream, _: object) -> None:
        await stream.aclose()

    async with facing(answer()) as (client, _), await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, lambda stream: refuse_early(stream, None))
            with pytest.raises(Transient):
                await client.put(Upload("a", f"http://127.0.0.1:{port}"), "image/png", 10**9, source)
            group.cancel_scope.cancel()

    assert [True] == closed


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        pytest.param(answer(EXPIRED, 403), Expired, id="expired"),
        pytest.param(answer(EXPIRED.replace(b"AccessDenied", b"ExpiredToken"), 400), Expired, id="expired, other"),
        pytest.param(answer(status=401), Expired, id="401"),
        pytest.param(answer(b"<Error><Code>EntityTooLarge</Code></Error>", 400), Permanent, id="too large"),
        pytest.param(answer(status=404), Gone, id="gone"),
        pytest.param(answer(status=503, retry_after="7"), Transient, id="busy"),
        pytest.param(answer(status=429), RateLimited, id="crowded"),
        pytest.param(answer(status=301, location="https://x.example/"), Transient, id="redirect"),
        pytest.param(hang_up, Transient, id="hangs up"),
        pytest.param(stay_silent, Transient, id="silent"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nx: "), Transient, id="slow loris"),
    ],
)
async def test_each_refused_transfer_has_its_exception(behaviour: Behaviour, kind: type[ApiError]) -> None:
    """Uploads and downloads tell an expired link from a missing file from a passing trouble."""
    async with facing(behaviour, limits=QUICK) as (client, server):
        with pytest.raises(ApiError) as up:
            await client.put(Upload("a", server.url + "/?secret=1"), "image/png", 3, pieces(b"abc"))
        with pytest.raises(ApiError) as down:
            await fetch(client, server.url + "/file?secret=1")

    assert (kind, kind) == (type(up.value), type(down.value))
    assert "secret" not in str(up.value) + str(down.value)


async def test_a_download_arrives_whole() -> None:
    """Length and type come first, then the bytes; the key is not sent along."""
    async with (
        facing(answer(b"x" * 300_000, content_type="image/WebP; q=1")) as (client, server),
        client.download(server.url + "/a.webp?sig=1", 300_000) as download,
    ):
        told = (download.length, download.mime_type)
        size = sum([len(chunk) async for chunk in download.chunks])

    assert (300_000, "image/webp", 300_000) == (*told, size)
    assert "authorization" not in server.seen[0].headers


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        pytest.param(raw(head(200, {"content-length": "50"}) + b"short"), Transient, id="cut short"),
        pytest.param(raw(head(200, {"transfer-encoding": "chunked"}) + b"5\r\nhello\r\n"), Transient, id="cut chunks"),
        pytest.param(raw(head(200, {"transfer-encoding": "chunked"}) + b"zz\r\n"), Transient, id="bad chunks"),
        pytest.param(raw(head(200, {"content-length": "-4"}) + b"hello"), Transient, id="negative length"),
        pytest.param(answer(b"x" * 2000), Unsafe, id="too large and says so"),
        pytest.param(endless(head(200, {})), Unsafe, id="endless"),
        pytest.param(endless(head(200, {"content-length": "900"})), None, id="more than promised"),
        pytest.param(drip(head(200, {})), Transient, id="slow loris"),
        pytest.param(answer(status=206), Transient, id="a part nobody asked for"),
    ],
)
async def test_a_lying_download_is_never_taken_for_whole(behaviour: Behaviour, kind: type[ApiError] | None) -> None:
    """Truncated, oversized and dripping bodies end in an error, promised bytes in those bytes (scenarios 112, 113)."""
    async with facing(behaviour, limits=QUICK) as (client, server):
        if kind is None:
            assert len(await fetch(client, server.url, 1000)) == 900
            return
        with pytest.raises(ApiError) as caught:
            await fetch(client, server.url, 1000)

    assert kind is type(caught.value)


async def test_a_download_given_up_early_leaves_nothing_behind() -> None:
    """The taker may stop at any byte, and its own exception is what it gets back."""

    async def give_up(client: Runflow, url: str) -> None:
        async with client.download(url, 10**9) as download:
            async for _ in download.chunks:
                raise LookupError("enough")

    async with facing(endless(head(200, {}))) as (client, server):
        with pytest.raises(LookupError, match="enough"):
            await give_up(client, server.url)
        traffic = client.snapshot()

    assert 0 == traffic.in_flight


async def test_a_download_nobody_reads_is_closed() -> None:
    """Leaving the block without reading is allowed."""
    async with facing(answer(b"x" * 200_000)) as (client, server), client.download(server.url, 10**6) as download:
        pass

    assert 200_000 == download.length


async def test_a_takers_time_out_stays_its_own() -> None:
    """An exception raised inside the block is not mistaken for the network's."""
    async with facing(answer(b"x")) as (client, server):
        with pytest.raises(TimeoutError, match="mine"):
            async with client.download(server.url, 10):
                raise TimeoutError("mine")


async def test_cancelling_a_download_is_heard_at_once() -> None:
    """Shutdown does not wait for a silent server."""

    async def cancel_and_stay_silent(stream: SocketStream, seen: Seen) -> None:
        scope.cancel()
        await stay_silent(stream, seen)

    async with facing(cancel_and_stay_silent) as (client, server):
        with anyio.CancelScope() as scope:
            await fetch(client, server.url)

    assert scope.cancelled_caught


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("data:image/png;base64,aGVsbG8=", ("image/png", b"hello")),
        ("DATA:image/png;charset=x;base64,aGVs%62G8=", ("image/png", b"hello")),
        ("data:,a%20b", ("text/plain", b"a b")),
    ],
)
async def test_an_inline_result_is_decoded(url: str, expected: tuple[str, bytes]) -> None:
    """Models with `sync_mode` send the image itself."""
    async with Runflow(Service("https://api.example")) as client, client.download(url, 5) as download:
        found = (download.mime_type, b"".join([chunk async for chunk in download.chunks]))

    assert expected == found


@pytest.mark.parametrize(
    "url", ["data:image/png;base64,aGVsbG8h", "data:" + "x" * 3000, "data:;base64,%%%", "data:x", "data:,123456"]
)
async def test_a_bad_inline_result_is_refused(url: str) -> None:
    """Too large, damaged or not a data URI at all."""
    async with Runflow(Service("https://api.example")) as client:
        with pytest.raises(Unsafe):
            await fetch(client, url, 5)


async def test_a_name_that_leads_inside_is_left_before_a_byte_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that counts is the one connected to: a public name may resolve to this machine (scenario 115)."""
    import socket

    truth = socket.getaddrinfo

    def rebound(host: str | bytes, *rest: object, **options: object) -> object:
        public = host in ("cdn.example.com", b"cdn.example.com")
        return truth("127.0.0.1" if public else host, *rest, **options)  # type: ignore[arg-type]  # passed on as given

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    async with hostile_server(answer(b"metadata")) as server:
        async with Runflow(Service("http://api.example.com")) as client:
            with pytest.raises(Unsafe, match=r"cdn\.example\.com leads to 127\.0\.0\.1"):
                await fetch(client, f"http://cdn.example.com:{server.port}/latest?token=1")
        assert (1, []) == (server.connections, server.seen)


async def test_transfers_are_counted() -> None:
    """Bytes up and down are what the benchmark reads."""
    async with facing(answer(b"x" * 1000)) as (client, server):
        await client.put(Upload("a", server.url), "image/png", 3, pieces(b"abc"))
        await fetch(client, server.url)
        traffic = client.snapshot()

    assert (3, 2000) == (traffic.sent, traffic.received)
    assert {("PUT upload", 200): 1, ("GET download", 200): 1} == traffic.requests


REST = b'HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 4-9/10\r\nETag: "v1"\r\nContent-Length: 6\r\n\r\n456789'


@pytest.mark.parametrize(
    ("given", "start", "body"),
    [
        (REST, 4, b"456789"),
        (b'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: 10\r\n\r\n0123456789', 0, b"0123456789"),
        (b'HTTP/1.1 200 OK\r\nETag: "v2"\r\nContent-Length: 3\r\n\r\nnew', 0, b"new"),
    ],
    ids=["the rest", "no ranges here", "another content"],
)
async def test_the_rest_of_a_download_is_asked_for_by_range(given: bytes, start: int, body: bytes) -> None:
    """Whether it is the rest that comes is the storage's to say (RFC 9110 section 13.1.5)."""
    async with (
        facing(raw(given)) as (client, server),
        client.download(server.url + "/x", 100, 4, '"v1"') as download,
    ):
        found = b"".join([chunk async for chunk in download.chunks])

    asked = server.seen[0].headers
    assert ("bytes=4-", '"v1"', start, body) == (asked["range"], asked["if-range"], download.start, found)


async def test_another_part_than_was_asked_for_is_no_download() -> None:
    """Bytes in the wrong place would make a file that is whole and wrong."""
    async with facing(raw(REST.replace(b"4-9", b"3-8"))) as (client, server):
        with pytest.raises(Transient, match="from 3 on came"):
            async with client.download(server.url + "/x", 100, 4, '"v1"'):
                pass


@pytest.mark.parametrize("limit", [9, 3])
async def test_the_limit_counts_what_came_before(limit: int) -> None:
    """Parts add up."""
    async with facing(raw(REST)) as (client, server):
        with pytest.raises(Unsafe, match="exceed"):
            async with client.download(server.url + "/x", limit, 4, '"v1"'):
                pass


@pytest.mark.parametrize(("tag", "validator"), [(b'"v1"', '"v1"'), (b'W/"v1"', ""), (b"", ""), (b'"a" , "b"', "")])
async def test_only_a_strong_tag_names_a_content(tag: bytes, validator: str) -> None:
    """A weak one may stand for other bytes (RFC 9110 section 8.8.3)."""
    given = b"HTTP/1.1 200 OK\r\nETag: " + tag + b"\r\nContent-Length: 1\r\n\r\nx"
    async with (
        facing(raw(given)) as (client, server),
        client.download(server.url + "/x", 100) as download,
    ):
        assert validator == download.validator
