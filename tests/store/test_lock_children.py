"""A daemon that was killed leaves no lock behind, whatever it had started (scenario 67)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from daemon_process import until

from runflowd.store import Locked
from runflowd.store.sqlite import lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOLDING = """
import os, signal, sys
from pathlib import Path
from runflowd.store.sqlite import lock
state, program = sys.argv[1:]
with lock(Path(state)):
    {work}
"""

NOTICE = """
    import anyio
    from runflowd.core.notices import Kind, Message
    from runflowd.notify.channels import run
    from runflowd.store.notices import Notice
    message = Message(Kind.INCIDENT, "rule:one", "CODE", "text", "remedy", 1, 0.0)
    anyio.run(run, (program,), Notice(1, "key", "command", 0.0, 0, 0.0, message))
"""

PHOTO = """
    from runflowd.local.models.decoding import decode_apart
    sys.executable = program
    decode_apart(b"a photo", "image_url")
"""

FORK = """
    if os.fork() == 0:
        Path(program).with_name("child").write_text(str(os.getpid()))
    signal.pause()
"""
"""As long as it does not become another program, the child of a fork has all that its parent had."""


PROGRAM = """#!/bin/sh
cd "${0%/*}"
echo $$ >new
mv new child
exec sleep 3600
"""


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Callable[[str], int]]:
    """Lets a process hold the lock and start a child at some work, and kills it; gives the child, which lives."""
    program, children = tmp_path / "program", list[int]()
    program.write_text(PROGRAM)
    program.chmod(0o755)

    def kill(work: str) -> int:
        command = [sys.executable, "-P", "-c", HOLDING.format(work=work), str(tmp_path / "state.db"), str(program)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as holder:
            child = tmp_path / "child"
            until(lambda: child.exists() and child.read_text().strip(), "the child at work")
            children.append(int(child.read_text()))
            holder.kill()
        os.kill(children[-1], 0)
        return children[-1]

    yield kill
    for each in children:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


@pytest.mark.parametrize("work", [NOTICE, PHOTO], ids=["a program that is told", "a photo that is decoded"])
def test_no_child_keeps_the_lock(
    tmp_path: Path, killed: Callable[[str], int], monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    """Each became another program without it: the next daemon starts at once."""
    monkeypatch.setattr("runflowd.store.sqlite.LOCK_TIMEOUT", 0.0)
    killed(work)

    with lock(tmp_path / "state.db"):
        pass


def test_a_child_that_is_just_begun_is_waited_for(
    tmp_path: Path, killed: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a moment it has what its parent had."""
    child, waits = killed(FORK), list[float]()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)

    monkeypatch.setattr("runflowd.store.sqlite.time", SimpleNamespace(monotonic=lambda: 0.0, sleep=sleep))
    with lock(tmp_path / "state.db"):
        assert waits


def test_a_child_that_stays_is_reported(
    tmp_path: Path, killed: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names what is gone, and how to find what is not."""
    monkeypatch.setattr("runflowd.store.sqlite.LOCK_TIMEOUT", 0.0)
    killed(FORK)
    place = tmp_path / "state.db"

    with pytest.raises(Locked, match=f"which is gone.*fuser -v {place}.lock"), lock(place):
        pass
