"""A TCP way to a server that can be cut: connections are ended, or swallow what is sent as a lost network does."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

PIECE = 65_536


class Proxy:
    """Listens on a port of this machine, and leads to a socket in a folder."""

    def __init__(self, target: Path) -> None:
        self._target = str(target)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._passing = threading.Event()
        self._passing.set()
        self._ended = False
        threading.Thread(target=self._accept, daemon=True).start()

    def swallow(self) -> None:
        """Nothing arrives any more, and nobody is told."""
        self._passing.clear()

    def drop(self) -> None:
        """End every connection; the next one is taken again."""
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """End what was swallowed, and let all through from now on."""
        self.drop()
        self._passing.set()

    def close(self) -> None:
        """End it."""
        self._ended = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.mend()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._ended:
            try:
                ours, _ = self._listener.accept()
            except OSError:
                return
            theirs = socket.socket(socket.AF_UNIX)
            try:
                theirs.connect(self._target)
            except OSError:
                ours.close()
                continue
            self._open |= {ours, theirs}
            for source, sink in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(PIECE):
                if not self._passing.is_set():
                    self._passing.wait()
                    break
                sink.sendall(data)
        except OSError:
            pass
        for each in (source, sink):
            self._open.discard(each)
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
