"""Where the web listener accepts connections: sockets bound with care, or handed over by systemd."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runflowd.web.counted_socket import CountedSocket
from runflowd.web.trouble import WebTrouble

if TYPE_CHECKING:
    from runflowd.config.essentials import Listen

BACKLOG = 32
"""Connections that wait to be taken, and that are taken in one go; the web listener counts them only afterwards."""

_MODE = 0o660
"""Of a unix socket: its owner and its group, so that a proxy can be let in by group."""


class AddressUnusable(WebTrouble):
    """The web listener cannot have its address."""

    def __init__(self, listen: Listen, error: OSError) -> None:
        super().__init__(f"web.listen {listen}: {_why(error)}. {_remedy(error)}")


class AddressOpen(WebTrouble):
    """A socket that systemd holds is reached from other machines, and nobody is asked who they are."""

    code = "ADDRESS_OPEN"
    place = "ListenStream="
    exit_code = 78

    def __init__(self, bound: Bound) -> None:
        host, port = bound.socket.getsockname()[:2]
        super().__init__(
            f"the port that systemd passed, {host} port {port}, is reached from other machines. It needs "
            "`web.users_file`, and `web.tls` or a `web.proxy` that brings it; or write ListenStream=127.0.0.1 and the "
            "port into runflowd.socket"
        )


@dataclass(frozen=True, slots=True)
class Bound:
    """A listening socket. `path` is the file of a unix socket that is ours to remove, else ""."""

    socket: CountedSocket
    path: str = ""

    @property
    def open(self) -> bool:
        """Whether other machines reach it."""
        return self.socket.family != socket.AF_UNIX and not self.loopback

    @property
    def loopback(self) -> bool:
        """Whether it is a network address that only programs of this machine reach, such as a browser here."""
        return self.socket.family != socket.AF_UNIX and _is_loopback(self.socket.getsockname()[0])

    def close(self) -> None:
        """Stop listening."""
        self.socket.close()
        if self.path:
            with suppress(OSError):
                Path(self.path).unlink()


def bind(listen: Listen) -> Bound:
    """Listen at an address; raise `AddressUnusable`. A file left by a crashed process is replaced."""
    try:
        return bind_unix(listen.socket, _MODE) if listen.socket else _bind_network(listen.host, listen.port)
    except OSError as error:
        raise AddressUnusable(listen, error) from error


def adopt(passed: socket.socket) -> Bound:
    """Listen on a socket that systemd holds. What is closed later is a copy, so that it can be used again."""
    # The copy shares this flag, and a copy made of a blocking socket would stop the event loop in accept(2).
    passed.setblocking(False)
    return Bound(CountedSocket(fileno=passed.dup().detach()))


def _bind_network(host: str, port: int) -> Bound:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # The protocol is named: the server sets TCP_NODELAY only on sockets that do.
    bound = CountedSocket(family, kind, protocol or socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    return Bound(bound)


def bind_unix(path: str, mode: int) -> Bound:
    """Listen on a unix socket whose file has this mode; raise OSError. A file left by a crashed process is replaced."""
    _remove_stale(path)
    bound = CountedSocket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(path)
        Path(path).chmod(mode)
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    return Bound(bound, path)


def _remove_stale(path: str) -> None:
    """Remove a socket file that nobody listens on. Raises OSError when somebody does, or it is another file."""
    try:
        mode = Path(path).lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "is there and is no socket", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        if probe.connect_ex(path) != errno.ECONNREFUSED:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)
    Path(path).unlink()


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host in {"::1", "::ffff:127.0.0.1"}


def _why(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "another program listens there already"
        case errno.EACCES | errno.EPERM:
            return "this user may not listen there"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
    return f"cannot be listened on ({error.strerror or error})"


def _remedy(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "Stop that program, or choose another port; `ss -ltnp` shows who has it"
        case errno.EACCES | errno.EPERM:
            return "Choose a port from 1024 up or a folder this user may write, or let systemd pass the socket"
        case errno.EADDRNOTAVAIL:
            return "Use 127.0.0.1, or an address that `ip addr` shows"
    return "Correct the address, or turn the listener off with `web: {listen: off}`"
