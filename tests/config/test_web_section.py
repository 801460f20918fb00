"""The section `web`: what it says of who is let in, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runflowd.config import describe, load
from runflowd.config.snapshot import Access
from runflowd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.config import Config

TLS = "tls: {certificate: c.pem, key: k.pem}"
PROXY = "proxy: {addresses: [10.0.0.0/24, unix], user_header: X-Remote-User}"


def loaded(folder: Path, web: str) -> Config:
    """A configuration with that section."""
    path = folder / "runflowd.yaml"
    path.write_text(f"service: local\nrules: {{}}\nweb: {{{web}}}\n")
    return load(path)


def test_every_key_arrives(tmp_path: Path) -> None:
    """With paths that start from the configuration."""
    config = loaded(tmp_path, f"listen: '0.0.0.0:443', users_file: users, {TLS}, {PROXY}")

    assert config.access == Access(
        f"{tmp_path}/users", f"{tmp_path}/c.pem", f"{tmp_path}/k.pem", ("10.0.0.0/24", "unix"), "X-Remote-User"
    )


@pytest.mark.parametrize("listen", ["0.0.0.0:80", "[::]:80", "192.168.1.5:80", "studio:80", "127.example.com:80"])
@pytest.mark.parametrize("more", ["", f", {TLS}", ", proxy: {addresses: [10.0.0.5]}", ", users_file: users"])
def test_an_address_that_others_reach_needs_users_and_https(tmp_path: Path, listen: str, more: str) -> None:
    """One without the other is refused: a page for all, or passwords in the clear."""
    with pytest.raises(ConfigError, match=r"web\.listen: is reached from other machines, so it needs users_file"):
        loaded(tmp_path, f"listen: '{listen}'{more}")


@pytest.mark.parametrize("listen", ["127.0.0.1:80", "[::1]:80", "localhost:80", "unix:/run/web.sock", "off"])
def test_this_machine_alone_needs_neither(tmp_path: Path, listen: str) -> None:
    """As ever."""
    assert Access() == loaded(tmp_path, f"listen: '{listen}'").access


@pytest.mark.parametrize("more", [TLS, "proxy: {addresses: [10.0.0.5]}"])
def test_with_users_and_https_others_may_reach_it(tmp_path: Path, more: str) -> None:
    """By a certificate, or by a proxy that has one."""
    assert loaded(tmp_path, f"listen: '0.0.0.0:443', users_file: users, {more}").web


@pytest.mark.parametrize(
    ("web", "message"),
    [
        ("proxy: {addresses: [10.0.0.5], user_header: X-User}", "web.proxy: needs users_file"),
        ("proxy: {addresses: [127.0.0.1]}", "web.proxy: needs users_file"),
        ("proxy: {addresses: ['0.0.0.0/0']}", "is every machine there is"),
        ("proxy: {addresses: [proxy.example.com]}", "is no address"),
        ("proxy: {addresses: []}", "web.proxy.addresses"),
        ("proxy: {addresses: [unix], user_header: Cookie}", "has a meaning of its own"),
        ("proxy: {addresses: [unix], user_header: X-Forwarded-For}", "has a meaning of its own"),
        ("proxy: {addresses: [unix], user_header: 'X User'}", "is no name of a header"),
    ],
)
def test_a_proxy_that_could_be_anybody_is_refused(tmp_path: Path, web: str, message: str) -> None:
    """What it says is believed, so it must be one."""
    with pytest.raises(ConfigError, match=message):
        loaded(tmp_path, web)


def test_who_may_use_the_page_is_described(tmp_path: Path) -> None:
    """In the first lines of `check`."""
    before = describe(loaded(tmp_path, ""))[1]
    after = describe(loaded(tmp_path, f"users_file: /etc/users, {TLS}, {PROXY}"))[1]

    assert "The status page listens on 127.0.0.1:8787; it asks nobody who they are." == before
    assert (
        "The status page listens on 127.0.0.1:8787 by https; whoever stands in /etc/users may use it; "
        "a proxy names them in X-Remote-User."
    ) == after
