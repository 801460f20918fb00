"""Which addresses a service may send us to."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.api.addresses import AddressPolicy, Refused

PUBLIC = AddressPolicy("https://api.runflow.io")
LOOPBACK = AddressPolicy("http://127.0.0.1:8899")
INSIDE = AddressPolicy("http://runflow.lan:8080")


@pytest.mark.parametrize(
    "url",
    [
        "https://storage.runflow.io/x?sig=1",
        "https://bucket.s3.dualstack.eu-central-1.amazonaws.com/r.webp",
        "https://1.1.1.1/x",
        "https://[2606:4700::1111]/x",
        "https://b\u00fccher.example/x",
    ],
)
def test_public_https_is_within_reach(url: str) -> None:
    """Object storage anywhere on the Internet."""
    assert PUBLIC.check(url).host


@pytest.mark.parametrize(
    "url",
    [
        "http://storage.runflow.io/x",
        "ftp://storage.runflow.io/x",
        "file:///etc/passwd",
        "//storage.runflow.io/x",
        "/v1/assets",
        "",
        "https://",
        "https:///x",
        "https://user:pass@storage.runflow.io/x",
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://sub.localhost./x",
        "https://10.0.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:a00:1::]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[fec0::1]/",
        "https://[bad",
        "https://x:99999/",
        "https://" + "a" * 64 + ".example/",
        "https://x.example/" + "a" * 20_000,
        "https://x.example/\n",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    """Other schemes, private, local, multicast and malformed addresses (scenario 115)."""
    with pytest.raises(Refused):
        PUBLIC.check(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "http://localhost:9/", "http://[::1]/", "https://x.example/"])
def test_a_loopback_service_may_name_loopback(url: str) -> None:
    """The stand-in serves its own files, perhaps on another port."""
    assert LOOPBACK.check(url).host


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://169.254.169.254/", "http://[fd00::1]/"])
def test_a_loopback_service_may_not_name_the_network(url: str) -> None:
    """Being local is no licence to reach further in."""
    with pytest.raises(Refused):
        LOOPBACK.check(url)


def test_a_service_in_the_house_may_name_itself() -> None:
    """The operator chose that host, in clear text and private."""
    assert INSIDE.check("http://runflow.lan:9000/file").port == 9000
    assert INSIDE.admits("runflow.lan", "192.168.1.5")


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.1.2.3", "::1", "fe80::1%eth0", "::ffff:192.168.0.1", "", "nonsense"])
def test_a_public_name_may_not_lead_inside(peer: str) -> None:
    """The address connected to decides, not the one looked up before."""
    assert not PUBLIC.admits("cdn.example", peer)


@given(st.text())
def test_no_text_breaks_the_check(url: str) -> None:
    """Arbitrary text is an address or refused."""
    with contextlib.suppress(Refused):
        PUBLIC.check(url)


@given(st.ip_addresses())
def test_only_global_addresses_are_admitted(address: object) -> None:
    """Whatever is admitted is globally routable."""
    if PUBLIC.admits("cdn.example", str(address)):
        assert address.is_global  # type: ignore[attr-defined]  # hypothesis types both families as object
