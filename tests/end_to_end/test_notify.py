"""A daemon that tells people: webhook, program and heartbeat, over real sockets and processes."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon_process import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon_process import Installation


@dataclass
class Monitor:
    """A web server that takes messages and signs of life."""

    url: str
    messages: list[dict[str, Any]] = field(default_factory=list)
    pings: int = 0


@contextmanager
def monitor() -> Iterator[Monitor]:
    """The server, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._done()

        def do_GET(self) -> None:
            found.pings += 1
            self._done()

        def _done(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Monitor(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def test_people_are_notified_and_nobody_waits_for_that(installation: Installation) -> None:
    """A missing folder is one message and a ping goes out; a program that hangs ends with the daemon at once."""
    pid = installation.folder / "pid"
    program = installation.folder / "tell"
    program.write_text(
        f"#!{sys.executable}\nimport os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(99)"
    )
    program.chmod(0o700)
    with monitor() as heard:
        notify = {
            "webhook": {"url": f"{heard.url}/SECRET-HOOK"},
            "command": [str(program)],
            "after": "0s",
            "heartbeat": {"url": f"{heard.url}/SECRET-PING", "every": "1s"},
        }
        installation.configure_rules({"one": installation.rule(watch="not-there")}, notify=notify)
        installation.config.chmod(0o600)
        installation.folder.chmod(0o700)
        daemon = installation.start()
        until(lambda: heard.messages and heard.pings and pid.exists() and pid.read_text(), "people are told")
        code = daemon.stop()

    expected = [("incident", "watch:one", "WATCH_MISSING")]
    assert expected == [(each["kind"], each["scope"], each["code"]) for each in heard.messages]
    assert (0, False) == (code, Path(f"/proc/{pid.read_text()}").exists())
    assert "SECRET" not in installation.log.read_text()
