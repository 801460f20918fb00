"""Which addresses the service may send us to.

A service, or whoever speaks in its name, must not turn the daemon against the network it runs in:
a result's URL that names a cloud metadata address, a router, or the daemon's own control port. So a
URL from an answer has to be https and public, with two exceptions that the operator has made already
by naming the service: the service's own host, and, for a service on loopback, loopback.

A name may resolve to anything at any time, so the decision that counts is `admits`, asked about the
address actually connected to, before a single byte is sent; through a proxy, about those that the name has here.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_URL = 16_384
_IPAddress: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
"""A last part of a host by which all of it is an address, in one of the old spellings (inet_aton(3))."""

_HOUSES = frozenset({"internal", "local"})
"""Endings of names that no public resolver answers for (RFC 6762, and what ICANN set aside for private use)."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Refused(Exception):
    """An address is not to be visited; the text says why and never quotes a query."""


class AddressPolicy:
    """What lies within reach, seen from the service at `service_url`."""

    def __init__(self, service_url: str) -> None:
        home = httpx.URL(service_url)
        self._host = home.host
        self._cleartext = home.scheme == "http"
        self._loopback = is_loopback_name(home.host)

    def check(self, url: str) -> httpx.URL:
        """Return `url` parsed, by the same parser that will send it. Raises `Refused`."""
        target = _parsed(url)
        if target.scheme != "https" and not (target.scheme == "http" and self._cleartext):
            raise Refused(f"{target.scheme or 'no'} scheme where https is required")
        if target.userinfo:
            raise Refused("it carries a user name or password")
        if not _is_plausible_host(target.raw_host.decode("ascii", "replace")):
            raise Refused("it names no usable host")
        if target.port is not None and not 0 < target.port < 65_536:
            raise Refused("its port does not exist")
        address = _address(target.host)
        if address is not None and not self.admits(target.host, target.host):
            raise Refused(f"{target.host} is not a public address")
        if address is None and not self._at_home(target.host):
            if is_loopback_name(target.host):
                raise Refused(f"{target.host} is this machine")
            if _is_name_of_a_house(target.host):
                raise Refused(f"{target.host} is a name inside of a network")
        return target

    def admits(self, host: str, peer: str) -> bool:
        """Tell whether a connection made for `host` may stay open now that it reached `peer`."""
        if host == self._host:
            return True
        address = _address(peer)
        if address is None:
            return False
        return _is_public(address) or (self._loopback and address.is_loopback)

    def guard(self, host: str) -> Callable[[str], None]:
        """Return a judge of the address that a direct connection for `host` has reached. It raises `Refused`."""

        def judge(peer: str) -> None:
            if not self.admits(host, peer):
                raise Refused(f"{host} leads to {peer or 'nowhere known'}, which is not public")

        return judge

    def _at_home(self, host: str) -> bool:
        return self._loopback or host == self._host


def _parsed(url: str) -> httpx.URL:
    if len(url) > _LONGEST_URL:
        raise Refused("it is longer than 16 KiB")
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, ValueError, TypeError):
        raise Refused("it is no URL") from None


def _is_plausible_host(host: str) -> bool:
    # Longer labels make the resolver raise UnicodeError instead of failing like any other name.
    shaped = _NAME.fullmatch(host) and len(host) <= 253 and all(len(part) <= 63 for part in host.split("."))
    return _address(host) is not None or (bool(shaped) and not _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]))


def _is_name_of_a_house(host: str) -> bool:
    """Whether a name means something else in each network, such as `metadata.google.internal`."""
    labels = host.rstrip(".").lower().split(".")
    return len(labels) == 1 or labels[-1] in _HOUSES or labels[-2:] == ["home", "arpa"]


def is_loopback_name(host: str) -> bool:
    """Tell whether `host` is, or by its name stands for, this machine."""
    address = _address(host)
    bare = host.rstrip(".").lower()
    return address.is_loopback if address else bare == "localhost" or bare.endswith(".localhost")


@lru_cache(maxsize=256)  # of a few hosts, asked several times for each link
def _address(text: str) -> _IPAddress | None:
    try:
        address = ipaddress.ip_address(text.strip("[]").partition("%")[0].rstrip("."))
    except ValueError:
        return None
    return _embedded(address) or address


def _embedded(address: _IPAddress) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 one stands for (mapped, 6to4, Teredo, NAT64), if any."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo


def _is_public(address: _IPAddress) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:
        return False  # fec0::/10, given up by RFC 3879 and still routed inside of networks
    return address.is_global and not address.is_multicast and not address.is_reserved
