"""The service manager's protocols, spoken over real sockets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from runflowd.system.systemd import Notifier, passed_sockets, watchdog_interval

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The receiving end of $NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(10)
        yield receiver


@pytest.fixture
def notifier(manager: socket.socket) -> Notifier:
    """The sending end."""
    return Notifier({"NOTIFY_SOCKET": manager.getsockname()})


def test_readiness_comes_with_a_status(manager: socket.socket, notifier: Notifier) -> None:
    """One datagram, one line each."""
    notifier.ready("3 rules, 41 in flight")

    assert b"READY=1\nSTATUS=3 rules, 41 in flight" == manager.recv(4096)


def test_a_reload_names_its_time_in_the_same_datagram(manager: socket.socket, notifier: Notifier) -> None:
    """Sent apart, or on another clock, systemd would kill the service."""
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    first, second = manager.recv(4096).decode().split("\n")
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000

    key, _, value = second.partition("=")
    assert ("RELOADING=1", "MONOTONIC_USEC") == (first, key)
    assert before <= int(value) <= after


def test_the_other_messages(manager: socket.socket, notifier: Notifier) -> None:
    """Stopping, watchdog, status; a status cannot smuggle in a second line."""
    notifier.stopping()
    notifier.alive()
    notifier.status("all well\nMAINPID=1")

    assert [b"STOPPING=1", b"WATCHDOG=1", b"STATUS=all well MAINPID=1"] == [manager.recv(4096) for _ in range(3)]


def test_an_abstract_address() -> None:
    """`@` stands for a NUL byte."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0runflowd-test-{os.getpid()}")
        receiver.settimeout(10)
        Notifier({"NOTIFY_SOCKET": f"@runflowd-test-{os.getpid()}"}).ready()

        assert b"READY=1" == receiver.recv(4096)


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nonexistent/socket"}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_nobody_to_tell_is_no_error(environment: dict[str, str]) -> None:
    """On a laptop, in a container, or when systemd is being restarted."""
    notifier = Notifier(environment)

    notifier.ready("x")

    assert environment.get("NOTIFY_SOCKET", "").startswith("/") == notifier.active


def test_a_manager_that_does_not_read_does_not_block(notifier: Notifier) -> None:
    """Its full buffer costs messages, not the daemon."""
    for _ in range(5000):
        notifier.alive()

    assert notifier.active


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 20.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 20.0),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_three_times_as_often_as_needed(
    environment: dict[str, str], expected: float | None
) -> None:
    """And only if it watches this very process."""
    assert expected == watchdog_interval(environment)


def test_passed_sockets_come_by_name() -> None:
    """A real process gets a real listening socket as descriptor 3 and serves on it."""
    code = (
        "import os\nos.environ['LISTEN_PID'] = str(os.getpid())\n"
        "from runflowd.system.systemd import passed_sockets\n"
        "found = passed_sockets()\n"
        "print({name: [s.getsockname() for s in each] for name, each in found.items()},"
        " found['web'][0].get_inheritable())"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        program = f'exec 3<&{listener.fileno()}; exec "{sys.executable}" -c "$0"'
        done = subprocess.run(
            ["bash", "-c", program, code],
            pass_fds=[listener.fileno()],
            env={**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"},
            capture_output=True,
            text=True,
            check=False,
        )

        assert f"{ {'web': [listener.getsockname()]} } False\n" == done.stdout, done.stderr


@pytest.mark.parametrize(
    "environment",
    [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"}],
)
def test_sockets_for_others_are_left_alone(environment: dict[str, str]) -> None:
    """A child that inherits the variables must not take its parent's sockets."""
    assert {} == passed_sockets(environment)
