"""Asking a daemon that runs. Written on sockets alone: `status` has little time, and http.client has much to import."""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

from runflowd.control.refusal import CommandRefused
from runflowd.control.socket_path import sun_path
from runflowd.system.paths import control_sockets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runflowd.control.command_context import Answer

ANSWER_TIMEOUT = 60.0
"""Seconds for an answer: a disk that is busy makes the daemon wait, too."""

MISDIRECTED = 421
"""The status by which a daemon says that it serves another configuration."""


def ask(source: Path, name: str, parameters: Mapping[str, Any]) -> Answer | None:
    """The daemon's answer; None when no daemon of this configuration answers. Raises CommandRefused if it says no."""
    place = os.path.abspath(source)  # noqa: PTH100  pathlib's would follow links, and a link may be swapped
    body = json.dumps({"config": place, "parameters": parameters}).encode()
    for path in control_sockets(source):
        try:
            reply = _exchange(path, name, body)
        except OSError:
            continue  # nobody there, or not for us: the state file is what else there is
        if reply is not None:
            return reply
    return None


def _exchange(path: Path, name: str, body: bytes) -> Answer | None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as link:
        # A full queue is waited for by this option alone: with `settimeout` it is refused at once (unix(7)).
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", *_as_timeval(ANSWER_TIMEOUT)))
        with sun_path(path) as address:
            link.connect(address)
        link.settimeout(ANSWER_TIMEOUT)
        head = f"POST /{name} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        link.sendall(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        pieces = []
        while piece := link.recv(1 << 18):
            pieces.append(piece)
    return _read(b"".join(pieces))


def _as_timeval(seconds: float) -> tuple[int, int]:
    """Whole seconds and microseconds."""
    return divmod(round(seconds * 1e6), 1_000_000)


def _read(reply: bytes) -> Answer | None:
    head, _, body = reply.partition(b"\r\n\r\n")
    try:
        status = int(head.split(maxsplit=2)[1])
        found = json.loads(body)
    except (IndexError, ValueError):
        return None  # it died in the middle of its answer
    if status == MISDIRECTED:
        return None
    if status != 200:
        raise CommandRefused(str(found["error"]), int(found["exit_code"]))
    return dict(found)
