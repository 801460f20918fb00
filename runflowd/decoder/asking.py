"""Asks the decoders: one child at a time, with the files in doubt, without the daemon's environment and descriptors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.core.printable import excerpt
from runflowd.decoder.installed import Installed, installed
from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MAX_ANSWER = 60.0
"""Seconds after which a child that should have ended by its own limits is killed."""

_PROGRESS = 1.0
"""Seconds between two signs of life while a child is waited for."""

_KEPT = ("HOME", "PATH")
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
    """The decoders of this machine, or those that are given. Thread-safe; its calls block."""

    def __init__(self, has: Installed | None = None) -> None:
        self._has = has
        self._turn = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._ended = False

    def __repr__(self) -> str:
        return f"<Decoder {'at work' if self._child else 'idle'}>"

    def stop(self) -> None:
        """End the child under way, and begin none."""
        self._ended = True
        if child := self._child:
            _kill(child)

    def judge(self, files: Sequence[tuple[int, str]], on_progress: Callable[[], None]) -> list[Verdict]:
        """A verdict on each open file, given by its descriptor and MIME type; fewer where time was too short for all.

        `on_progress` is called while this waits. Raises `Ended`.
        """
        has = self._has or installed()
        asked = [(descriptor, mime) for descriptor, mime in files if has.opens(mime)]
        said = iter(self._answers(asked, has, on_progress) if asked else ())
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
        self, asked: Sequence[tuple[int, str]], has: Installed, on_progress: Callable[[], None]
    ) -> Iterator[str]:
        with self._my_turn(on_progress):
            out = self._ask(asked, has, on_progress)
        if self._ended:
            raise Ended
        lines = out.splitlines()
        if not lines:
            yield "its decoder could not be started, or was ended at once"
        for line in lines:
            with suppress(ValueError):  # half a line of a child that was ended
                yield excerpt(str(json.loads(line)), 200)

    @contextmanager
    def _my_turn(self, on_progress: Callable[[], None]) -> Iterator[None]:
        """One child at a time: each may use much memory."""
        while not self._turn.acquire(timeout=_PROGRESS):
            on_progress()
        try:
            yield
        finally:
            self._turn.release()

    def _ask(self, asked: Sequence[tuple[int, str]], has: Installed, on_progress: Callable[[], None]) -> bytes:
        """What a child writes about these files; it ends with them."""
        if self._ended:
            raise Ended
        command = [sys.executable, "-P", "-m", "runflowd.decoder.child"]
        question: bytes | None = json.dumps({"ffmpeg": has.program, "files": asked}).encode() + b"\n"
        give_up = time.monotonic() + MAX_ANSWER
        with subprocess.Popen(  # noqa: S603  our own module, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[descriptor for descriptor, _ in asked],
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
            cwd="/",
            start_new_session=True,
        ) as child:
            self._child = child
            try:
                while True:
                    try:
                        return child.communicate(question, timeout=_PROGRESS)[0]
                    except subprocess.TimeoutExpired:
                        question = None  # is on its way
                        on_progress()
                    if time.monotonic() > give_up:
                        _kill(child)
            finally:
                self._child = None
                _kill(child)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End a child and all that it started: they are a session of their own."""
    if child.returncode is None:  # afterwards its number may be another's
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def _lacking(name: str) -> str:
    return f"no decoder was asked: {name} is not installed" if name else "no decoder is known for it"
