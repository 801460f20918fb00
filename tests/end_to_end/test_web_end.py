"""The end of a daemon whose page is in use."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
from daemon_process import Installation, until

if TYPE_CHECKING:
    from pathlib import Path

    from daemon_process import Service

HEAD = b"Host: localhost\r\n"
AT_WORK = {
    "says nothing": b"",
    "is in the middle of its head": b"GET / HT",
    "listens to hints": b"GET /events HTTP/1.1\r\n" + HEAD + b"\r\n",
    "reads none of many answers": (b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n") * 200,
    "is in the middle of a form": b"POST /pause HTTP/1.1\r\n" + HEAD + b"Content-Length: 500\r\n\r\ntok",
    "is in the middle of a callback": b"POST /callbacks/runflow HTTP/1.1\r\n" + HEAD + b"Content-Length: 9\r\n\r\n{",
}


def test_clients_at_work_are_no_trouble_at_the_end(tmp_path: Path, service: Service) -> None:
    """SIGTERM: streams end, who does not end is cut off, the log has neither error nor traceback, and the code is 0."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    installation = Installation(tmp_path / "one", service)
    installation.configure_rules({"one": installation.rule()}, web={"listen": f"127.0.0.1:{port}"})
    daemon = installation.start()
    until(lambda: httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=30).status_code == 200, "the page is there")
    with ExitStack() as stack:
        clients = {}
        for name, sent in AT_WORK.items():
            clients[name] = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            clients[name].sendall(sent)
        listening = clients["listens to hints"]
        begun = listening.recv(4096)
        code = daemon.stop()
        rest = b"".join(iter(lambda: listening.recv(4096), b""))

    lines = [json.loads(line.partition(">")[2]) for line in installation.log.read_text().splitlines()]
    loud = [line for line in lines if line["level"] in {"error", "critical"} or "exception" in line]
    assert (0, []) == (code, loud)
    assert (True, True) == (begun.startswith(b"HTTP/1.1 200"), rest.endswith(b"0\r\n\r\n"))
