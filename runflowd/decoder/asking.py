"""Asks the decoders: one child at a time, with the files in doubt, without the daemon's environment and descriptors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from runflowd.core.printable import excerpt
from runflowd.decoder.installed import Installed, installed
from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

log = structlog.get_logger()

MAX_ANSWER = 60.0
"""Seconds after which a child that should have ended by its own limits is killed."""

MAX_DYING = 5.0
"""Seconds after which a child that was killed, and is still there, is left to itself: no signal reaches who waits for a
dead share in the kernel."""

_PROGRESS = 1.0
"""Seconds between two signs of life while a child is waited for."""

_LOOK = 0.01
"""Seconds between two looks at whether a child that was killed is gone."""

KEPT = ("HOME", "PATH")
"""What a child's environment keeps: by these its Python finds its packages."""


class Ended(RunflowdError):
    """The process ends, so nothing more is decoded."""

    def __init__(self) -> None:
        super().__init__("nothing is decoded any more: runflowd ends")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a decoder made of a file: decoded from beginning to end, or why not, as a clause for people."""

    decoded: bool
    words: str = ""


class Decoder:
    """The decoders of this machine, or those that are given. Thread-safe; its calls block.

    One child is at work at a time, since each may use much memory, and one for each folder: what hangs on a dead share
    holds up what lies there, and nothing else.
    """

    def __init__(self, has: Installed | None = None) -> None:
        self._has = has
        self._turn = threading.Lock()
        self._folders: dict[str, threading.Lock] = {}
        self._hanging: dict[str, int] = {}
        self._child: subprocess.Popen[bytes] | None = None
        self._ended = False

    def __repr__(self) -> str:
        return f"<Decoder {'at work' if self._child else 'idle'}, {len(self._hanging)} children hang>"

    def stop(self) -> None:
        """End the child under way, and begin none."""
        self._ended = True
        if child := self._child:
            _kill(child)

    def opens(self, mime: str) -> bool:
        """Whether there is a decoder for this type."""
        return (self._has or installed()).opens(mime)

    def judge(self, files: Sequence[tuple[int, str]], folder: str, on_progress: Callable[[], None]) -> list[Verdict]:
        """A verdict on each open file, given by its descriptor and MIME type; fewer where time was too short for all.

        `folder` is where they lie. `on_progress` is called while this waits, but for a folder that does not answer:
        as any other call into it, this one returns when it does. Raises `Ended`.
        """
        has = self._has or installed()
        asked = [(descriptor, mime) for descriptor, mime in files if has.opens(mime)]
        said = iter(self._answers(asked, has, folder, on_progress) if asked else ())
        verdicts: list[Verdict] = []
        for _, mime in files:
            if not has.opens(mime):
                verdicts.append(Verdict(decoded=False, words=_lacking(has.lacking(mime))))
                continue
            words = next(said, None)
            if words is None:
                break
            verdicts.append(Verdict(decoded=not words, words=words))
        return verdicts

    def _answers(
        self, asked: Sequence[tuple[int, str]], has: Installed, folder: str, on_progress: Callable[[], None]
    ) -> Iterator[str]:
        with self._turn_of(folder, on_progress), ExitStack() as turn:
            turn.enter_context(_held(self._turn, on_progress))
            out = self._ask(asked, has, on_progress)
            if out is None and not self._ended:
                self._wait_for_hanging(folder, turn)
        if self._ended:
            raise Ended
        if out is not None and not out.strip():
            yield "its decoder could not be started, or was ended at once"
        for line in (out or b"").splitlines():
            with suppress(ValueError):  # half a line of a child that was ended
                yield excerpt(str(json.loads(line)), 200)

    @contextmanager
    def _turn_of(self, folder: str, on_progress: Callable[[], None]) -> Iterator[None]:
        """One child at a time for a folder; while it hangs there is no progress."""

        def waits() -> None:
            if folder not in self._hanging:
                on_progress()

        with _held(self._folders.setdefault(folder, threading.Lock()), waits):
            yield

    def _ask(self, asked: Sequence[tuple[int, str]], has: Installed, on_progress: Callable[[], None]) -> bytes | None:
        """What a child writes about these files, with which it ends; None where it cannot be ended."""
        if self._ended:
            raise Ended
        question: bytes | None = json.dumps({"ffmpeg": has.program, "files": asked}).encode() + b"\n"
        began = time.monotonic()
        self._child = child = _started([descriptor for descriptor, _ in asked])
        out = None
        while out is None and time.monotonic() - began < MAX_ANSWER + MAX_DYING:
            try:
                out = child.communicate(question, timeout=_PROGRESS)[0]
            except subprocess.TimeoutExpired:
                question = None  # is on its way
                on_progress()
            if time.monotonic() - began > MAX_ANSWER:
                _kill(child)
        for pipe in filter(None, (child.stdin, child.stdout)):
            with suppress(OSError):  # nobody reads it any more
                pipe.close()
        if child.returncode != 0 and not _gone_within(child, MAX_DYING):
            return None
        self._child = None
        return out

    def _wait_for_hanging(self, folder: str, turn: ExitStack) -> None:
        """Give the turn to others, and wait for a child that no signal reaches until its folder answers."""
        assert self._child is not None
        child, self._child = self._child, None
        self._hanging[folder] = child.pid
        message = "a decoder waits for a file that does not come, and cannot be ended; it holds up this folder alone"
        log.warning(message, action="decoder.hangs", folder=folder, process=child.pid, hanging=len(self._hanging))
        turn.close()
        while not self._ended and not _gone_within(child, MAX_DYING):
            pass
        child.returncode = child.returncode or -signal.SIGKILL  # at the end nobody waits for it
        del self._hanging[folder]


@contextmanager
def _held(lock: threading.Lock, on_progress: Callable[[], None]) -> Iterator[None]:
    while not lock.acquire(timeout=_PROGRESS):
        on_progress()
    try:
        yield
    finally:
        lock.release()


def _started(descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "runflowd.decoder.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=descriptors,
        env={name: os.environ[name] for name in KEPT if name in os.environ},
        cwd="/",
        start_new_session=True,
    )


def _gone_within(child: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether a child that was killed, and all that it started, end within this time."""
    give_up = time.monotonic() + seconds
    while True:
        child.poll()
        with suppress(ChildProcessError):
            os.waitpid(-child.pid, os.WNOHANG)  # the first process of a container inherits them
        try:
            os.killpg(child.pid, 0)
        except OSError:
            return True
        if time.monotonic() > give_up:
            return False
        time.sleep(_LOOK)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End a child and all that it started: they are a session of their own."""
    if child.returncode is None:  # afterwards its number may be another's
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def _lacking(name: str) -> str:
    return f"no decoder was asked: {name} is not installed" if name else "no decoder is known for it"
