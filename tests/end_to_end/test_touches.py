"""Users' folders are touched by threads that nobody else waits for, in a whole life of a daemon and in every command.

A call to a share whose server is dead may never return. Whatever thread makes it is lost until then: so it must not
be that of the event loop, nor one of the pool that the state file, the YAML and the web page share.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest
import touch_recorder
from command_line import Desk, desk_in
from daemon_process import picture, until
from touch_recorder import DEADLINE, GUARD, WATCHER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FREE = {GUARD, WATCHER, DEADLINE}
COMMANDS = ("check", "status", "list", "plan", "logs a.jpg", "rerun one --missing --dry-run", "rerun one --dry-run")


class Users:
    """Folders of users, and who touched them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "users"
        self.notes = folder / "notes"
        for name in ("in", "out", "brand"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "brand/logo.png").write_bytes(picture(form="PNG"))

    def drop(self, path: str, data: bytes | None = None) -> None:
        """Put a file somewhere, a picture unless it is said what."""
        place = self.folder / path
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(picture() if data is None else data)

    def wait_for(self, *paths: str) -> None:
        """Wait until all of these are there."""
        until(lambda: all((self.folder / path).exists() for path in paths), f"{paths}")

    def wait_until_gone(self, path: str) -> None:
        """Wait until it is there no more."""
        until(lambda: not (self.folder / path).exists(), f"{path} to be gone")

    def touches(self) -> list[list[str]]:
        """Kind of thread, call, path and origin of each kind of touch."""
        return [line.split("\t") for line in self.notes.read_text().splitlines()]


@pytest.fixture
def users(tmp_path: Path) -> Users:
    """Folders to watch, for results and of reference files."""
    return Users(tmp_path)


@pytest.fixture
def desk(tmp_path: Path, users: Users, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Commands that note what they touch."""
    recorder = (sys.executable, "-P", touch_recorder.__file__, str(users.notes), str(users.folder))
    monkeypatch.setattr("command_line.RUNFLOWD", recorder)
    for made in desk_in(tmp_path):
        configure(made, users)
        yield made


def configure(desk: Desk, users: Users, **changes: object) -> None:
    """A rule with overrides, one that sends a reference along and moves its input away, and one further down."""

    def place(name: str) -> str:
        return str(users.folder / name)

    wanted = {"image_url": "${file.url}", "logo": "${files.logo.url}"}
    moved = {"after": {"move": place("archive")}, "files": {"logo": place("brand/logo.png")}, "input": wanted}
    ours = {"overridable": ["prompt"], "on_delete": "remove", **changes}
    rules = {
        "one": desk.rule(watch=place("in"), output=place("out"), rescan="1s", **ours),
        "moved": desk.rule(watch=place("in moved"), output=place("out moved"), rescan="1s", **moved),
        "further": desk.rule(watch=place("out"), output=place("out further"), rescan="1s"),
    }
    (users.folder / "in moved").mkdir(exist_ok=True)
    desk.configure(rules=rules)


def live(desk: Desk, users: Users) -> None:
    """All that a daemon does with folders: from its start to a kill, and from the next start to its end."""
    daemon = desk.start("run")
    desk.wait_for("daemon.ready")
    users.drop("in/a.jpg")
    users.drop("in/none.jpg", b"no picture")
    users.drop("in moved/b.jpg")
    users.drop("in/x/_runflow.yaml", b"prompt: white\n")
    users.drop("in/x/c.jpg")
    users.wait_for("out/a.jpg", "out/none.jpg.failed.txt", "out further/a.jpg", "out/x/c.jpg", "archive/b.jpg")
    assert 0 == desk.run("retry", "--all").code
    (users.folder / "in/x").rename(users.folder / "in/y")
    users.drop("in/none.jpg")
    users.wait_for("out/y/c.jpg", "out/none.jpg")
    users.wait_until_gone("out/none.jpg.failed.txt")
    users.drop("in/a.jpg")  # another one
    (users.folder / "in/none.jpg").unlink()
    users.wait_until_gone("out/none.jpg")
    for words in (*COMMANDS, "pause one", "resume one"):
        assert 0 == desk.run(*words.split()).code, words
    (users.folder / "out/y/c.jpg").unlink()
    assert 0 == desk.run("rerun", "one", "--missing", "--yes").code
    users.wait_for("out/y/c.jpg")
    configure(desk, users, batch={"quiet": "50ms"})
    assert 0 == desk.run("reload").code
    (users.folder / "in").rename(users.folder / "away")
    (users.folder / "in").mkdir()
    desk.wait_for("incident.open code=WATCH_CHANGED")
    assert 0 == desk.run("resume", "one", "--accept-folder").code
    daemon.send_signal(signal.SIGKILL)
    daemon.wait()
    users.drop("out/.runflowd-0123456789ab.part", b"left by a kill")
    daemon = desk.start("run")
    users.drop("in/d.jpg")
    users.wait_for("out/d.jpg")
    users.wait_until_gone("out/.runflowd-0123456789ab.part")
    assert 0 == desk.stop(daemon)


def test_a_daemon_touches_users_folders_on_threads_that_nobody_else_waits_for(desk: Desk, users: Users) -> None:
    """Nothing of it on the event loop, in a transaction or on the pool that all share (scenario 136)."""
    live(desk, users)
    touches = users.touches()

    assert [] == [each for each in touches if each[0] not in FREE]
    assert {"open", "os.lstat", "os.remove", "os.rename", "os.scandir"} <= {
        each[1] for each in touches if each[0] == GUARD
    }


def test_commands_without_a_daemon_touch_users_folders_with_a_deadline(desk: Desk, users: Users) -> None:
    """None of them waits for ever (scenario 136)."""
    users.drop("in/a.jpg")
    assert 0 == desk.run("sync").code
    users.drop("in/new.jpg")
    users.drop("in/y/_runflow.yaml", b"prompt: white\n")
    users.drop("in moved/b.jpg")
    for words in COMMANDS:
        assert 0 == desk.run(*words.split()).code, words
    touches = users.touches()

    assert [] == [each for each in touches if each[0] not in FREE]
    assert {"open", "os.lstat", "os.scandir", "os.read"} <= {each[1] for each in touches if each[0] == DEADLINE}
