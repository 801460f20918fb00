"""Talking to systemd: readiness, reloads, the watchdog, and sockets it hands over.

The protocols are those of sd_notify(3) and sd_listen_fds(3). Outside systemd everything here does
nothing, and a message that cannot be sent is dropped: the service manager's trouble is not ours.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIRST_PASSED_FD = 3


class Notifier:
    """Sends state changes to the service manager named by `$NOTIFY_SOCKET`."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        address = (os.environ if environment is None else environment).get("NOTIFY_SOCKET", "")
        # "@" stands for the NUL byte that begins an abstract address.
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def __repr__(self) -> str:
        return f"<Notifier {'active' if self.active else 'inactive'}>"

    @property
    def active(self) -> bool:
        """Whether anybody listens, as far as the environment says."""
        return self._address.startswith(("/", "\0"))

    def ready(self, status: str = "") -> None:
        """Start-up or a reload is complete."""
        self._send("READY=1", *_status(status))

    def reloading(self) -> None:
        """A reload begins; `ready` must follow. Both lines go out in one datagram, as systemd demands."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}")

    def stopping(self, status: str = "") -> None:
        """Shutdown begins."""
        self._send("STOPPING=1", *_status(status))

    def status(self, status: str) -> None:
        """A line for `systemctl status`."""
        self._send(*_status(status))

    def alive(self) -> None:
        """Feed the watchdog; due every `watchdog_interval` seconds."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self.active or not lines:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            # A manager that does not read must not stop the daemon.
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(errors="replace"), self._address)


def watchdog_interval(environment: Mapping[str, str] | None = None) -> float | None:
    """Seconds between two calls of `alive`, a third of what systemd allows; None if it does not watch."""
    found = os.environ if environment is None else environment
    allowed, process = found.get("WATCHDOG_USEC", ""), found.get("WATCHDOG_PID", "")
    if not allowed.isascii() or not allowed.isdigit() or int(allowed) == 0:
        return None
    if process not in {"", str(os.getpid())}:
        return None
    return int(allowed) / 1_000_000 / 3


def passed_sockets(environment: Mapping[str, str] | None = None) -> dict[str, list[socket.socket]]:
    """Sockets handed over by socket activation, by `FileDescriptorName=` ("unknown" if it has none).

    Call once: the caller owns the sockets. Empty when they are meant for another process.
    """
    found = os.environ if environment is None else environment
    count = found.get("LISTEN_FDS", "")
    if found.get("LISTEN_PID") != str(os.getpid()) or not (count.isascii() and count.isdigit()):
        return {}
    names = found.get("LISTEN_FDNAMES", "").split(":")
    sockets: dict[str, list[socket.socket]] = {}
    for index in range(int(count)):
        descriptor = _FIRST_PASSED_FD + index
        with suppress(OSError):  # a descriptor that is no socket is not for us
            os.set_inheritable(descriptor, False)
            passed = socket.socket(fileno=descriptor)
            name = names[index] if index < len(names) else ""
            sockets.setdefault(name or "unknown", []).append(passed)
    return sockets


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(text.split())}",) if text else ()
