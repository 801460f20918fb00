"""Trouble on the way to the service: names, certificates and proxies (scenario 87)."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

import pytest
from hostile_server import answer, hostile_server, json_answer

from runflowd.api import Runflow, Scope, SecretKey, Service, Transient, Unsafe

pytestmark = pytest.mark.anyio

SELF_SIGNED = Path(__file__).resolve().parents[1] / "data" / "tls" / "self-signed.pem"
"""Key and certificate of 127.0.0.1, which no authority vouches for; made for these tests and of use to nobody."""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both event loops: the daemon runs on one, its stage tests on the other."""
    name: str = request.param
    return name


@pytest.fixture
def certificate(monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's side of TLS. Broken handshakes are what the tests are about, and no line in their log."""
    logging.getLogger("anyio.streams.tls").setLevel(logging.CRITICAL)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SELF_SIGNED)
    return context


def service(port: int) -> Service:
    """A service that is spoken to over TLS."""
    return Service(f"https://127.0.0.1:{port}", api_key=SecretKey("rf_live_topsecretvalue"))


async def test_a_certificate_nobody_vouches_for_gets_no_key(certificate: ssl.SSLContext) -> None:
    """The sentence names the host and the certificate; nothing was bought, and the machine's network pauses."""
    async with (
        hostile_server(json_answer({"id": "b"}), tls=certificate) as server,
        Runflow(service(server.port)) as client,
    ):
        with pytest.raises(Transient, match=rf"127\.0\.0\.1:{server.port}.*certificate") as caught:
            await client.create_batch("a/b", b"{}", "k")

    assert ([], False, Scope.MACHINE) == (server.seen, caught.value.ambiguous, caught.value.scope)


async def test_results_are_fetched_from_verified_hosts_only(certificate: ssl.SSLContext) -> None:
    """A download is no less worth than the key."""
    async with hostile_server(answer(b"x"), tls=certificate) as server, Runflow(service(server.port)) as client:
        with pytest.raises(Transient, match="certificate"):
            async with client.download(f"https://127.0.0.1:{server.port}/a.png?sig=1", 100):
                pass

    assert [] == server.seen


async def test_an_authority_of_the_house_is_trusted_when_named(
    certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way out is to name who vouches, not to look away."""
    monkeypatch.setenv("SSL_CERT_FILE", str(SELF_SIGNED))
    async with (
        hostile_server(json_answer({"id": "b"}), tls=certificate) as server,
        Runflow(service(server.port)) as client,
    ):
        assert "b" == (await client.create_batch("a/b", b"{}", "k")).id


async def test_a_certificate_of_another_name_is_refused(
    certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trusted, but not for the name by which the service was called."""
    monkeypatch.setenv("SSL_CERT_FILE", str(SELF_SIGNED))
    async with hostile_server(json_answer({"id": "b"}), tls=certificate) as server:
        url = f"https://localhost:{server.port}"
        with pytest.raises(Transient, match=r"localhost:.*certificate"):
            async with Runflow(Service(url)) as client:
                await client.me()

    assert [] == server.seen


async def test_a_proxy_that_refuses_is_trouble_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The purchase never left; the sentence names the host that was to be reached, and what the proxy said."""
    async with hostile_server(answer(status=407)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        async with Runflow(Service("https://api.example.com")) as client:
            with pytest.raises(Transient, match=r"api\.example\.com .*407") as caught:
                await client.create_batch("a/b", b"{}", "k")

    assert ("CONNECT", False, Scope.MACHINE) == (proxy.seen[0].method, caught.value.ambiguous, caught.value.scope)


@pytest.mark.parametrize("name", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]"])
async def test_no_spelling_of_this_machine_leads_inside(name: str) -> None:
    """Decimal, hex, octal, short and mapped: refused before a byte is sent, whoever understands them (scenario 115)."""
    async with hostile_server(answer(b"metadata")) as server, Runflow(Service("http://api.example.com")) as client:
        with pytest.raises((Unsafe, Transient)):
            async with client.download(f"http://{name}:{server.port}/latest?token=1", 100):
                pass

    assert [] == server.seen
