"""A listening socket that takes so many connections and closes what comes beyond them, unread.

Each costs a file descriptor, and one whose TLS handshake has not come to its end is nobody's yet but ours.
"""

from __future__ import annotations

import socket
from typing import Any

MAX_CONNECTIONS = 128
"""At once."""


class CountedSocket(socket.socket):
    """Counts what it has accepted by what of it is still open."""

    _taken: tuple[socket.socket, ...] = ()

    def accept(self) -> tuple[socket.socket, Any]:
        """A new connection. Raises `ConnectionAbortedError` for one too many, as if its client had gone."""
        connection, address = super().accept()
        # The server closes the very object that it got here.
        self._taken = tuple(each for each in self._taken if each.fileno() >= 0)
        if len(self._taken) >= MAX_CONNECTIONS:
            connection.close()
            raise ConnectionAbortedError
        self._taken += (connection,)
        return connection, address
