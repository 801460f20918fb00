"""A listening socket that takes so many connections; beyond them, who asked for nothing gives way to who comes.

Each costs a file descriptor, and one whose TLS handshake has not come to its end is nobody's yet but ours.
"""

from __future__ import annotations

import ipaddress
import socket
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

MAX_CONNECTIONS = 128
"""At once."""

MAX_OF_ONE = 32
"""At once from one machine."""

SPARE = 32
"""Connections beyond them, which take the place of others that are being closed."""


def shared_by_nobody(_: str) -> bool:
    """Every address is that of one machine."""
    return False


def nobody_asks() -> Collection[int]:
    """No request is in hand."""
    return ()


class CountedSocket(socket.socket):
    """Counts what it has accepted by what of it is still open.

    `is_shared` tells which addresses are no single machine's: through those come all whom a proxy brings. `in_hand`
    gives the file numbers of connections on which a request is being answered.
    """

    is_shared: Callable[[str], bool] = staticmethod(shared_by_nobody)
    in_hand: Callable[[], Collection[int]] = staticmethod(nobody_asks)
    _taken: tuple[tuple[socket.socket, str], ...] = ()
    _leaving: tuple[socket.socket, ...] = ()

    def accept(self) -> tuple[socket.socket, Any]:
        """A new connection. Raises `ConnectionAbortedError` for one too many, as if its client had gone."""
        connection, address = super().accept()
        # The server closes the very object that it got here.
        self._taken = tuple(each for each in self._taken if each[0].fileno() >= 0)
        machine = "" if self.family == socket.AF_UNIX or self.is_shared(address[0]) else network_of(address[0])
        of_one = sum(other == machine for _, other in self._taken) if machine else 0
        full = len(self._taken) >= MAX_CONNECTIONS
        if of_one >= MAX_OF_ONE or len(self._taken) >= MAX_CONNECTIONS + SPARE or (full and not self._make_room()):
            connection.close()
            raise ConnectionAbortedError
        self._taken += ((connection, machine),)
        return connection, address

    def _make_room(self) -> bool:
        """Close the oldest connection that asks for nothing, of the machine that has most of them, if there is one.

        So whoever takes all places and keeps silent takes them from themselves alone: who asks does so at once.
        """
        busy = self.in_hand()
        silent = [each for each in self._taken if each[0].fileno() not in busy and each[0] not in self._leaving]
        if not silent:
            return False
        [(most, _)] = Counter(machine for _, machine in silent).most_common(1)
        leaving = next(connection for connection, machine in silent if machine == most)
        self._leaving = (*(each for each in self._leaving if each.fileno() >= 0), leaving)
        with suppress(OSError):  # its client was faster
            leaving.shutdown(socket.SHUT_RDWR)
        return True


def network_of(address: str) -> str:
    """What one machine has for itself: an address of IPv4, a network of 64 bits of IPv6; any other text as it is."""
    try:
        number = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(number, ipaddress.IPv6Address):
        mapped = number.ipv4_mapped
        return str(mapped or ipaddress.ip_network(f"{number}/64", strict=False))
    return str(number)
