"""A share whose server is dead, under a daemon as a process and under the commands, with that daemon and without."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from command_line import WAIT_TIMEOUT, Desk, desk_in
from daemon_process import picture, until
from silent_share import AT_RENAME, required

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from silent_share import SilentShare

pytestmark = pytest.mark.timeout(900)
"""Many processes, one after the other; LONGEST of silent_share is shorter."""

IMPATIENT = """
import sys
from runflowd.app import daemon
from runflowd.system import deadline
from runflowd.pipeline import io_guard
from runflowd.cli import program
daemon.GRACE, deadline.ANSWER_TIMEOUT, deadline.LOOK_TIMEOUT, io_guard.RESPONSE_TIMEOUT = 2.0, 1.0, 0.5, 3.0
sys.exit(program())
"""
"""`runflowd` that waits seconds where it waits half a minute otherwise."""


MANY = 20
"""More deliveries than are made at a time."""


@pytest.fixture
def share(tmp_path: Path) -> Iterator[SilentShare]:
    """A share with a folder to watch and one for results."""
    with required(tmp_path / "mnt") as mounted:
        for name in ("in", "out"):
            (mounted.behind / name).mkdir()
        yield mounted


@pytest.fixture
def desk(tmp_path: Path, share: SilentShare, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Two rules: `one` on the disk, `share` with both of its folders on the share."""
    monkeypatch.setattr("command_line.RUNFLOWD", (sys.executable, "-P", "-c", IMPATIENT))
    for made in desk_in(tmp_path):
        configure(made, share)
        yield made


def configure(desk: Desk, share: SilentShare, **changes: Any) -> None:
    """Write the configuration."""
    on_share = desk.rule(watch=str(share.folder / "in"), output=str(share.folder / "out"), rescan="1s")
    desk.configure(rules={"one": desk.rule(**changes), "share": on_share})


@contextmanager
def working(desk: Desk) -> Iterator[subprocess.Popen[str]]:
    """A daemon that is ready."""
    times = desk.log().count("action=daemon.ready") if (desk.folder / "log").exists() else 0
    daemon = desk.start("run")
    desk.wait_for("daemon.ready", times + 1)
    yield daemon


def one_delivers(desk: Desk) -> None:
    """The rule on the disk takes a file and has its result."""
    name = f"{len(desk.outputs())}.jpg"
    (desk.input / name).write_bytes(picture())
    until((desk.output / name).exists, "a result of the rule beside the share")


def results(share: SilentShare) -> int:
    """How many results lie on the share."""
    return len(list((share.behind / "out").glob("*.jpg")))


def ended(daemon: subprocess.Popen[str]) -> int:
    """SIGTERM, and how it ends, long before the share answers again.

    That this takes half a minute at most is a matter of GRACE, which counts in here with two seconds.
    """
    daemon.send_signal(signal.SIGTERM)
    return daemon.wait(WAIT_TIMEOUT)


def test_a_daemon_starts_works_reloads_and_stops_beside_a_dead_share(desk: Desk, share: SilentShare) -> None:
    """From before its start to its end the share answers nothing (scenario 136)."""
    with share.silence(), working(desk) as daemon:
        one_delivers(desk)
        configure(desk, share, batch={"quiet": "50ms"})
        assert 0 == desk.run("reload").code
        one_delivers(desk)

        assert 0 == ended(daemon)


def test_commands_are_answered_beside_a_dead_share(desk: Desk, share: SilentShare) -> None:
    """What asks the share says that it does not answer; all else is as ever, and at once (scenario 136)."""
    with working(desk) as daemon:
        one_delivers(desk)
        (share.behind / "in/a.jpg").write_bytes(picture())
        desk.wait_for("item.done", 2)
        with share.silence():
            silent = [desk.run("rerun", "share", "--dry-run"), desk.run("rerun", "share", "--missing", "--dry-run")]
            fine = [desk.run(*words.split()) for words in ("status", "list", "rerun one --dry-run", "check")]
            refused = desk.run("retry", "--rule", "share", "--all")
            plan = desk.run("plan", "--json")
            doctor = desk.run("doctor", "--offline")
            one_delivers(desk)

            assert [75, 75] == [each.code for each in silent]
            assert all("does not answer. Mend the server" in each.err for each in silent)
            assert [0] * 4 == [each.code for each in fine]
            assert "no failed or unknown file matches" in refused.err
            assert "mnt/in does not answer" in plan.out
            assert "gave no answer within" in doctor.out
            assert 0 == ended(daemon)


def test_commands_without_a_daemon_do_not_wait_for_a_dead_share(desk: Desk, share: SilentShare) -> None:
    """They come to their end, with what lies elsewhere (scenario 136)."""
    (desk.input / "a.jpg").write_bytes(picture())
    (share.behind / "in/a.jpg").write_bytes(picture())
    assert 0 == desk.run("sync").code
    with share.silence():
        (desk.input / "b.jpg").write_bytes(picture())
        plan = desk.run("plan", "--json").json["files"]
        rerun = desk.run("rerun", "share", "--dry-run")
        fine = [desk.run(*words.split()) for words in ("status", "list", "check", "rerun one --dry-run")]
        synced = desk.run("sync")

        assert {"one": "buy", "share": "wait"} == {
            each["rule"]: each["fate"] for each in plan if each["path"] != "a.jpg"
        }
        assert (75, [0] * 4) == (rerun.code, [each.code for each in fine])
        assert (3, {"a.jpg", "b.jpg"}) == (synced.code, set(desk.outputs()))
        assert "WATCH_TIMEOUT" in synced.out


def test_a_stop_in_the_middle_of_deliveries_that_hang(desk: Desk, share: SilentShare) -> None:
    """Waits in the kernel that can be killed end with the process; the next start delivers (scenarios 74, 136)."""
    (share.behind / "in/first.jpg").write_bytes(picture())
    with working(desk) as daemon:
        until(lambda: results(share) == 1, "the first result on the share")
        for number in range(MANY):
            (share.behind / f"in/{number}.jpg").write_bytes(picture())
        with share.silence(AT_RENAME):
            left = MANY + 1 - results(share)
            code = ended(daemon)
    with working(desk) as again:
        until(lambda: results(share) == MANY + 1, "all results on the share")
        assert 0 == ended(again)

    assert (0, MANY - 1) == (code, left)
