"""Where a request comes from: the machine at the other end, or whom a proxy that is known speaks of.

What a request says of its own origin is believed only when it comes from an address in `web.proxy`.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from runflowd.config.web_section import UNIX

if TYPE_CHECKING:
    from starlette.types import Scope

    from runflowd.config.snapshot import Access


@dataclass(frozen=True, slots=True)
class Peer:
    """Who asks from where: `address` is a number or "unix", `user` whom a proxy names, or "".

    `secure` tells that it came by https, `near` that it came from a program of this machine. What a proxy brings is
    never near, and only secure where the proxy says both whom it speaks of and that they use https.
    """

    address: str
    secure: bool
    near: bool
    user: str = ""


def peer_of(scope: Scope, access: Access) -> Peer:
    """Where a request comes from."""
    client = scope.get("client")
    address = _plain(client[0]) if client else UNIX
    secure = scope.get("scheme") == "https"
    if not _is_among(address, access.proxies):
        return Peer(address, secure, address == UNIX or ipaddress.ip_address(address).is_loopback)
    headers = Headers(scope=scope)
    said = headers.getlist(access.user_header) if access.user_header else []
    origin = _origin(headers, access)
    return Peer(
        origin or address,
        origin != "" and _last(headers, "x-forwarded-proto").lower() == "https",
        near=False,
        # Two of them are the proxy's and one that a client has smuggled in: neither counts.
        user=said[0].strip() if len(said) == 1 else "",
    )


def is_shared(host: str, access: Access) -> bool:
    """Whether one address is that of many clients: this machine's own, where any proxy may be, and a declared one's."""
    address = _plain(host)
    return ipaddress.ip_address(address).is_loopback or _is_among(address, access.proxies)


def _origin(headers: Headers, access: Access) -> str:
    """The last address in X-Forwarded-For that is no proxy of ours: what stands before it anybody may have written."""
    hops = ",".join(headers.getlist("x-forwarded-for")).split(",")
    for each in reversed(hops):
        try:
            address = _plain(each.strip())
        except ValueError:
            return ""
        if not _is_among(address, access.proxies):
            return address
    return ""


def _last(headers: Headers, name: str) -> str:
    return ",".join(headers.getlist(name)).rpartition(",")[2].strip()


def _plain(host: str) -> str:
    """An address in its one spelling: a socket for both families shows those of IPv4 as if they were of IPv6."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _is_among(address: str, networks: tuple[str, ...]) -> bool:
    if address == UNIX:
        return UNIX in networks
    number = ipaddress.ip_address(address)
    return any(number in ipaddress.ip_network(each) for each in networks if each != UNIX)
