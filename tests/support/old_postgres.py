"""A server that says it is an old PostgreSQL, as far as a client gets there: "Message Flow" in PostgreSQL's manual."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READY = b"Z" + struct.pack("!i", 5) + b"I"
REFUSED = b"SERROR\0VERROR\0C42883\0Mfunction pg_terminate_backend(integer, integer) does not exist\0\0"


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _serve(connection: socket.socket, version: str) -> None:
    with connection, suppress(OSError):
        connection.recv(8192)  # who wants to be let in, and how
        said = {"server_version": version, "server_encoding": "UTF8", "client_encoding": "UTF8"}
        told = b"".join(_message(b"S", f"{name}\0{value}\0".encode()) for name, value in said.items())
        connection.sendall(_message(b"R", struct.pack("!i", 0)) + told + READY)
        while question := connection.recv(8192):
            if question[:1] == b"X":
                return
            connection.sendall(_message(b"E", REFUSED) + READY)


@contextmanager
def old_server(folder: Path, version: str) -> Iterator[None]:
    """Listen on the socket that a client looks for in a folder."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / ".s.PGSQL.5432"))
        listening.listen()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    _serve(listening.accept()[0], version)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
