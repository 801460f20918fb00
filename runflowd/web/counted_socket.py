"""A listening socket that takes so many connections and closes what comes beyond them, unread.

Each costs a file descriptor, and one whose TLS handshake has not come to its end is nobody's yet but ours.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CONNECTIONS = 128
"""At once."""

MAX_OF_ONE = 32
"""At once from one machine."""


def shared_by_nobody(_: str) -> bool:
    """Every address is that of one machine."""
    return False


class CountedSocket(socket.socket):
    """Counts what it has accepted by what of it is still open.

    `is_shared` tells which addresses are no single machine's: through those come all whom a proxy brings.
    """

    is_shared: Callable[[str], bool] = staticmethod(shared_by_nobody)
    _taken: tuple[tuple[socket.socket, str], ...] = ()

    def accept(self) -> tuple[socket.socket, Any]:
        """A new connection. Raises `ConnectionAbortedError` for one too many, as if its client had gone."""
        connection, address = super().accept()
        # The server closes the very object that it got here.
        self._taken = tuple(each for each in self._taken if each[0].fileno() >= 0)
        machine = "" if self.family == socket.AF_UNIX or self.is_shared(address[0]) else network_of(address[0])
        of_one = sum(other == machine for _, other in self._taken) if machine else 0
        if len(self._taken) >= MAX_CONNECTIONS or of_one >= MAX_OF_ONE:
            connection.close()
            raise ConnectionAbortedError
        self._taken += ((connection, machine),)
        return connection, address


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
