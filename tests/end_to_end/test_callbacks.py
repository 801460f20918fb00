"""Callbacks from a service to a daemon, both as processes, over a socket as systemd passes it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from daemon_process import Installation, picture, promised, until

from runflowd.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon_process import Service

NEVER = 3600.0
"""Seconds between polls that no test lives to see: what ends sooner was ended by a callback."""

POLL = "GET /v1/batches/{id}"

_SOCKET_ACTIVATED = """
import os, sys, anyio
from pathlib import Path
passed, poll, source = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
if passed != 3:
    os.dup2(passed, 3)
    os.close(passed)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"}
from runflowd.system import log
from runflowd.app import service_factory
from runflowd.config import load
from runflowd.app.daemon import run_daemon
service_factory.CALLBACK_POLL = poll
log.configure(level="debug")
anyio.run(run_daemon, load(source), source)
"""


@dataclass
class Receiving:
    """A daemon that takes callbacks, and what it says about them."""

    port: int

    def metric(self, line: str) -> bool:
        """Whether the metrics page has exactly this line."""
        return line in httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=30).text.splitlines()


@contextmanager
def receiving(installation: Installation, service: Service, *, poll: float) -> Iterator[Receiving]:
    """Configure callbacks, make a secret, and run the daemon until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as passed:
        port: int = passed.getsockname()[1]
        secret = installation.folder / "callback-secret"
        callbacks = {"public_url": f"http://127.0.0.1:{port}", "secret_file": str(secret)}
        installation.configure_rules(
            {"one": installation.rule()},
            service={"url": service.url, "allow_http": True, "callbacks": callbacks},
            web={"listen": "127.0.0.1:8787"},
        )
        assert main(["callbacks", "create-secret", "--config", str(installation.config)]) == 0
        number = passed.fileno()
        command = [sys.executable, "-c", _SOCKET_ACTIVATED, str(number), str(poll), str(installation.config)]
        with installation.log.open("ab") as log:
            daemon = subprocess.Popen(command, stdout=log, stderr=log, pass_fds=[number])
    try:
        until(lambda: _ready(port) or daemon.poll() is not None, "ready")
        assert daemon.poll() is None, installation.log.read_text()[-4000:]
        yield Receiving(port)
    finally:
        daemon.terminate()
        daemon.wait(40)


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=30).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def receiver(tmp_path: Path, own_service: Service, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """An installation that is not started, over a service of its own."""
    monkeypatch.setitem(os.environ, "RUNFLOW_API_KEY", "rf_live_test")
    return Installation(tmp_path / "installation", own_service)


def busy(*callbacks: dict[str, Any]) -> dict[str, Any]:
    """Faults of a service that still works when it is polled first, and of its callbacks."""
    return {"runs": [{"kind": "slow", "seconds": 1.0, "count": None}], "callbacks": list(callbacks)}


def test_a_callback_ends_the_wait_for_the_next_poll(receiver: Installation, own_service: Service) -> None:
    """Two polls: one after the purchase, and the one that the callback woke; the next is an hour away."""
    own_service.control(faults=busy())
    data = picture()
    with receiving(receiver, own_service, poll=NEVER) as daemon:
        receiver.write("a.jpg", data)
        receiver.wait("done", "a.jpg")
        own_service.idle()

        assert (2, 1) == (own_service.requests(POLL), own_service.ledger()["counts"]["deliveries"])
        assert daemon.metric('runflowd_callbacks_total{outcome="woken"} 1.0')
    assert promised({"a.jpg": data}) == receiver.books()


def test_doubled_forged_unsigned_and_early_callbacks_change_nothing(
    receiver: Installation, own_service: Service
) -> None:
    """The genuine one that comes as well still wakes the poll; the books are those of a good day (scenario 103)."""
    dropped = {f"{kind}.jpg": picture() for kind in ("duplicate", "forge", "unsigned", "early")}
    with receiving(receiver, own_service, poll=NEVER):
        for path, data in dropped.items():
            own_service.control(faults=busy({"kind": path.removesuffix(".jpg"), "count": None}))
            receiver.write(path, data)
            receiver.wait("done", path)

    assert promised(dropped) == receiver.books()


def test_polling_alone_is_enough_when_no_callback_arrives(receiver: Installation, own_service: Service) -> None:
    """It is slower with callbacks configured, and never stops (scenario 108)."""
    own_service.control(faults=busy({"kind": "lose", "count": None}))
    data = picture()
    with receiving(receiver, own_service, poll=0.3) as daemon:
        receiver.write("a.jpg", data)
        receiver.wait("done", "a.jpg")

        assert not daemon.metric('runflowd_callbacks_total{outcome="woken"} 1.0')
    assert promised({"a.jpg": data}) == receiver.books()
