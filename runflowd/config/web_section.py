"""The section `web`: where the page listens, and who is let in."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator

from runflowd.config.addresses import ListenOrOff  # noqa: TC001  pydantic reads the annotation
from runflowd.config.sections import Section, described
from runflowd.config.types import Folder, refuse, size

DEFAULT_LISTEN = "127.0.0.1:8787"
_GIB = 2**30
UNIX = "unix"
"""Stands among the addresses of proxies for whoever connects to the unix socket."""


def _check_proxy(value: str) -> str:
    if value == UNIX:
        return value
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        raise refuse("is no address; write a number such as 10.0.0.5, a network such as 10.0.0.0/24, or unix") from None
    if network.prefixlen == 0:
        raise refuse("is every machine there is, so anybody could pass for the proxy; name the proxy's own address")

    return value


def _check_header(value: str) -> str:
    name = value.lower()
    if not value.isascii() or not value.replace("-", "").isalnum():
        raise refuse("is no name of a header; write for example X-Remote-User")
    if name in {"authorization", "cookie", "host", "origin"} or name.startswith(("x-forwarded-", "sec-")):
        raise refuse("has a meaning of its own; name a header that the proxy alone sets, such as X-Remote-User")

    return value


class TlsSection(Section):
    """Serve the page over https."""

    certificate: Folder = described(
        "The file of the certificate with its chain, as PEM. A renewed one is taken within a second.",
        "/etc/runflowd/tls/fullchain.pem",
        default=...,
    )
    key: Folder = described(
        "The file of its private key, as PEM, without a password.", "/etc/runflowd/tls/privkey.pem", default=...
    )


class ProxySection(Section):
    """A proxy in front, which brings https."""

    addresses: list[Annotated[str, AfterValidator(_check_proxy)]] = described(
        "Where its requests come from: addresses, networks, or unix for the unix socket. What it says with "
        "X-Forwarded-For and X-Forwarded-Proto counts from there alone.",
        ["127.0.0.1", "10.0.0.0/24"],
        default=...,
        min_length=1,
    )
    user_header: Annotated[str, AfterValidator(_check_header)] | None = described(
        "The header in which it names the user, who has to stand in users_file. It must remove what clients send "
        "under this name.",
        "X-Remote-User",
    )


class WebSection(Section):
    """The status page, metrics and the callback address."""

    listen: ListenOrOff = described(
        "Where the page listens: host:port, [::1]:port or unix:/path; off for nowhere; 127.0.0.1:8787 by default. "
        "Where other machines reach it, it needs users_file, and tls or a proxy.",
        DEFAULT_LISTEN,
        "unix:/run/runflowd/web.sock",
        "off",
        default=DEFAULT_LISTEN,
    )
    users_file: Folder | None = described(
        "The file of who may do what, written by `runflowd user add NAME --may spend`; without one, nobody has to say "
        "who they are.",
        "/etc/runflowd/users",
    )
    tls: TlsSection | None = described(
        "Serve https with this certificate.",
        {"certificate": "/etc/runflowd/tls/fullchain.pem", "key": "/etc/runflowd/tls/privkey.pem"},
    )
    proxy: ProxySection | None = described(
        "The proxy in front, whose word about clients is believed.", {"addresses": ["127.0.0.1"]}
    )
    thumbnails: Annotated[int, size(0, 2**50)] = described(
        "How much disk the page may take for small pictures of files and results, in the cache folder; the oldest go "
        "first. 2GiB by default, 0MiB for none.",
        "500MiB",
        "0MiB",
        default=2 * _GIB,
    )
