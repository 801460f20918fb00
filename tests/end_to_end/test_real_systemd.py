"""The service under a systemd that really enforces its unit; nothing of this machine is touched."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from booted_systemd import Booted, machine_folder, why_not
from daemon_process import PASS_THROUGH, picture, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNIT = "runflowd.service"
reason = cache(why_not)


@pytest.fixture
def machine() -> Iterator[Booted]:
    """One that has just been started, with a configuration of one rule."""
    with machine_folder() as folder:
        yield from booted_in(folder)


@pytest.fixture(scope="module")
def running() -> Iterator[Booted]:
    """One for the tests that leave it as they found it: the service runs."""
    with machine_folder() as folder:
        for machine in booted_in(folder):
            machine.systemctl("start", UNIT)
            yield machine


def booted_in(folder: Path) -> Iterator[Booted]:
    """A machine for a fixture, or the reason why there is none."""
    if reason():
        pytest.skip(reason())
    with Booted(folder) as booted:
        configure(booted)
        booted.drop_in("quick", "RestartSec=100ms")
        yield booted


def configure(machine: Booted, folder: str = "/srv/runflow", **more: Any) -> None:
    """Write the configuration."""
    rule = {"watch": f"{folder}/in", "output": f"{folder}/out", "model": PASS_THROUGH}
    quick = {"settle": "100ms", "batch": {"quiet": "100ms"}}
    whole = {"service": "local", "log": {"format": "json"}, "defaults": quick, "rules": {"one": rule}, **more}
    (machine.config / "runflowd.yaml").write_text(json.dumps(whole))


def deliver(machine: Booted, *names: str) -> dict[str, bytes]:
    """Drop images and wait for their results; both by name."""
    dropped = {name: picture() for name in names}
    for name, data in dropped.items():
        (machine.srv / "in" / name).write_bytes(data)
    wait_for_results(machine, *names)
    return dropped


def wait_for_results(machine: Booted, *names: str) -> None:
    """Wait until all of them are there."""
    try:
        until(lambda: all((machine.srv / "out" / name).exists() for name in names), f"{names} delivered")
    except AssertionError as failure:
        raise AssertionError(f"{failure}\n{machine.story()}") from failure


def results(machine: Booted) -> dict[str, bytes]:
    """What stands in the output folder."""
    return {path.name: path.read_bytes() for path in (machine.srv / "out").iterdir()}


def test_the_main_job_is_done_in_the_whole_sandbox(running: Booted) -> None:
    """Drop a file, get its result, as a user with no rights."""
    dropped = deliver(running, "mug.jpg")
    wanted = ("Uid:", "CapBnd:", "NoNewPrivs:", "Seccomp:")
    status = running.run("cat", f"/proc/{running.show('MainPID')}/status")
    facts = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith(wanted)}

    user = running.run("id", "-u", "runflowd").strip()

    assert dropped["mug.jpg"] == results(running)["mug.jpg"]
    assert {"Uid": user, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"} == facts


def test_results_belong_to_the_group(running: Booted) -> None:
    """Whoever is in it may change and remove them; nobody else may look."""
    deliver(running, "jug.jpg")
    found = (running.srv / "out" / "jug.jpg").stat()

    assert (0o660, running.run("id", "-g", "runflowd").strip()) == (found.st_mode & 0o777, str(found.st_gid))


def test_commands_reach_the_service_over_its_runtime_directory(running: Booted) -> None:
    """Its state is not where root's would be, so only the daemon can tell."""

    def daemon() -> dict[str, Any] | None:
        """What it says of itself; None as long as it does not listen."""
        said = running.run("/opt/runflowd/bin/runflowd", "status", "-c", "/etc/runflowd", "--json", check=False)
        return json.loads(said)["daemon"] if said else None

    assert running.show("MainPID") == str((until(daemon, "the daemon answers") or {})["pid"])


@pytest.mark.parametrize(("group", "obeyed"), [("runflowd-operators", True), ("runflowd", False)])
def test_orders_are_taken_from_operators_not_from_droppers(running: Booted, group: str, *, obeyed: bool) -> None:
    """Who may drop files may not pause, retry or buy: the control socket has a group of its own (scenario 151)."""
    knock = "import socket; socket.socket(socket.AF_UNIX).connect('/run/runflowd/control.sock'); print('open')"
    somebody = ("setpriv", "--reuid=nobody", "--regid=nogroup", f"--groups={group}")
    mode = running.run("stat", "-c", "%a %U %G", "/run/runflowd/control.sock").strip()
    said = running.run(*somebody, sys.executable, "-c", knock, check=False)

    assert ("660 runflowd runflowd-operators", obeyed) == (mode, said == "open\n")


def test_a_key_that_comes_after_the_boot_is_waited_for(machine: Booted) -> None:
    """From a disk that is mounted late, say: tried again and again, not given up with 78."""
    configure(machine, service={"url": "http://127.0.0.1:9"})
    machine.systemctl("start", UNIT, check=False)
    until(lambda: int(machine.show("NRestarts")) > 1, "it is tried again and again")
    machine.run("sh", "-c", "echo rf_live_test > /etc/runflowd/credentials/api-key")
    machine.wait("ActiveState", "active")


def test_it_is_ready_only_when_the_state_file_is_its_own(machine: Booted) -> None:
    """What a crash left is taken up before `systemctl start` returns."""
    machine.systemctl("start", UNIT)
    machine.systemctl("stop", UNIT)
    state = machine.lib / "runflowd" / "state.db"
    with closing(sqlite3.connect(state, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        machine.systemctl("start", "--no-block", UNIT)
        opened = (
            f"ls -l /proc/$(systemctl show --value --property=MainPID {UNIT})/fd | grep -q state.db-wal && echo yes"
        )
        until(lambda: machine.run("sh", "-c", opened, check=False), "it has opened the state file")
        while_held = machine.show("ActiveState")
        other.execute("ROLLBACK")
    machine.wait("ActiveState", "active")

    assert "activating" == while_held


def test_a_reload_is_a_reload(running: Booted) -> None:
    """The same process takes its configuration again, and systemd sees it through."""
    before = running.facts("MainPID", "NRestarts")
    taken = running.log().count("config.applied")
    running.systemctl("reload", UNIT)
    until(lambda: running.log().count("config.applied") > taken, "the configuration is taken again")
    running.wait("ActiveState", "active")

    assert before == running.facts("MainPID", "NRestarts")


def test_a_stop_is_clean(running: Booted) -> None:
    """Exit code 0 within its time, and nothing counts as failed."""
    running.systemctl("stop", UNIT)
    found = running.facts("ActiveState", "Result", "ExecMainStatus")
    running.systemctl("start", UNIT)

    assert ("inactive", "success", "0") == found


def test_a_killed_daemon_comes_back_and_finishes(machine: Booted) -> None:
    """`kill -9` in the middle of its work."""
    machine.systemctl("start", UNIT)
    dropped = {f"{number}.jpg": picture() for number in range(20)}
    for name, data in dropped.items():
        (machine.srv / "in" / name).write_bytes(data)
    until(lambda: any((machine.srv / "out").iterdir()) or "batch" in machine.log(), "work is under way")
    machine.systemctl("kill", "--signal=KILL", UNIT)
    machine.wait("NRestarts", "1")
    machine.wait("ActiveState", "active")
    wait_for_results(machine, *dropped)

    assert dropped == results(machine)


def test_a_bad_configuration_is_no_restart_loop(machine: Booted) -> None:
    """Exit code 78 is final until somebody edits."""
    configure(machine, rules="none")
    machine.systemctl("start", UNIT, check=False)

    assert ("failed", "exit-code", "78", "0") == machine.facts("ActiveState", "Result", "ExecMainStatus", "NRestarts")


def test_another_failure_is_tried_again(machine: Booted) -> None:
    """What is in the way may be taken away at any time."""
    state = machine.lib / "runflowd"
    state.mkdir()
    (state / "state.db").mkdir()
    machine.systemctl("start", UNIT, check=False)
    until(lambda: int(machine.show("NRestarts")) > 1, "it is tried again and again")
    (state / "state.db").rmdir()
    machine.wait("ActiveState", "active")


def test_a_hang_is_ended_by_the_watchdog(machine: Booted) -> None:
    """A process that does not turn its loops is killed, and one that does is to take its place."""
    machine.drop_in("watchdog", "WatchdogSec=2s", "RestartSec=1h")
    machine.systemctl("start", UNIT)
    machine.systemctl("kill", "--signal=STOP", UNIT)
    machine.wait("SubState", "auto-restart")

    assert "watchdog" == machine.show("Result")


def test_the_printed_drop_in_opens_other_folders(machine: Booted) -> None:
    """Without it a folder elsewhere is read-only for the service, which says so; with it the work is done."""
    machine.run("sh", "-c", "mkdir -p '/opt/my 100% files/in' '/opt/my 100% files/out' && chown -R runflowd /opt/my*")
    configure(machine, "/opt/my 100% files")
    (machine.srv / "mug.jpg").write_bytes(picture())
    machine.systemctl("start", UNIT)
    machine.run("cp", "/srv/runflow/mug.jpg", "/opt/my 100% files/in/mug.jpg")
    until(lambda: "Read-only file system" in machine.log(), "it says what is wrong")
    printing = [sys.executable, "-m", "runflowd", "systemd", "drop-in", "-c", str(machine.config)]
    printed = subprocess.run(printing, capture_output=True, text=True, check=True).stdout
    machine.drop_in("folders", printed)
    machine.systemctl("restart", UNIT)
    arrived = "cmp '/opt/my 100% files/in/mug.jpg' '/opt/my 100% files/out/mug.jpg' && echo equal"

    assert until(lambda: machine.run("sh", "-c", arrived, check=False), "the result")


def test_systemd_holds_the_port_over_a_restart(machine: Booted) -> None:
    """The page answers on the socket that systemd opened, and the same socket answers again afterwards."""
    configure(machine, web={"listen": "127.0.0.1:1"})
    machine.run("mkdir", "/etc/systemd/system/runflowd.socket.d", check=False)
    text = "[Socket]\\nListenStream=\\nListenStream=/srv/runflow/web.sock\\n"
    machine.run("sh", "-c", f"printf '{text}' > /etc/systemd/system/runflowd.socket.d/place.conf")
    machine.systemctl("daemon-reload")
    machine.systemctl("start", "runflowd.socket")
    before = (machine.srv / "web.sock").stat().st_ino
    answers = [ask(machine)]  # the first request starts the service
    machine.systemctl("restart", UNIT)
    answers.append(ask(machine))

    assert ([b"HTTP/1.1 200", b"HTTP/1.1 200"], before) == (answers, (machine.srv / "web.sock").stat().st_ino)


def ask(machine: Booted) -> bytes:
    """The beginning of the answer to a request for its health."""
    # A relative name: the address of a unix socket has 108 bytes.
    with contextlib.chdir(machine.srv), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect("web.sock")
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return client.recv(12)


def test_nothing_is_left_behind() -> None:
    """No process and no mount of the machine's outlives it."""
    if reason():
        pytest.skip(reason())
    with machine_folder() as folder:
        with Booted(folder) as booted:
            inside = booted.run("cat", "/proc/1/comm").strip()
        left = mounts(folder)

    assert ("systemd", [], False) == (inside, left, os.path.exists("/var/lib/runflowd"))  # noqa: PTH110


def mounts(folder: Path) -> list[str]:
    """What is mounted outside that has to do with a machine in `folder`; other tests have mounts of their own."""
    with open("/proc/self/mounts") as file:  # noqa: PTH123
        return [line for line in file if str(folder) in line or "/run/kept" in line]
