"""`runflowd` that notes which threads touch users' folders: `python touch_recorder.py NOTES ROOT ARGUMENT...`.

Python's audit events tell of what opens, lists or changes something by a path; the calls that raise none, stat and its
kind, and those by a descriptor are wrapped. NOTES gets a line for each kind of touch below ROOT: the kind of thread,
the call, the path of the first time, and where in the program it came from.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from runflowd.cli import program
from runflowd.pipeline.io_guard import FolderIo
from runflowd.watch import Watcher

if TYPE_CHECKING:
    from collections.abc import Callable

MAIN, POOL, OTHER = "main", "pool", "other"
"""Threads that others wait for: that of the event loop or of a command, the pool that all share, and any other."""

GUARD, WATCHER, DEADLINE = "guard", "watcher", "deadline"
"""Threads that only those wait for who ask about a folder: IoGuard's, a watcher's, and those of `within`."""

BY_PATH = ("stat", "lstat", "access", "statvfs", "readlink")
BY_DESCRIPTOR = ("read", "pread", "write", "pwrite", "fstat", "fsync", "fdatasync", "ftruncate", "posix_fadvise")

_here = threading.local()
_readlink = os.readlink
_write = os.write


class Recorder:
    """Writes each kind of touch down once."""

    def __init__(self, notes: str, root: str) -> None:
        self._notes = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._root = f"{root}/"
        self._seen: set[tuple[str, str, str]] = set()

    def install(self) -> None:
        """Hear of every touch from now on. An audit hook can never be taken away again."""
        for name in (*BY_PATH, *BY_DESCRIPTOR):
            setattr(os, name, self._wrapped(name, getattr(os, name)))
        sys.addaudithook(self._heard)

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*given: Any, **named: Any) -> Any:
            self._note(f"os.{name}", (*given[:1], named.get("dir_fd")))
            return call(*given, **named)

        return wrapper

    def _heard(self, event: str, given: tuple[Any, ...]) -> None:
        if event == "open" or event.startswith("os."):
            self._note(event, given)

    def _note(self, call: str, given: tuple[Any, ...]) -> None:
        if getattr(_here, "noting", False):
            return
        _here.noting = True
        try:
            touched = next((place for each in given if (place := _place(each)).startswith(self._root)), "")
            if touched:
                self._tell(call, touched)
        finally:
            _here.noting = False

    def _tell(self, call: str, touched: str) -> None:
        kind = _kind()
        frames = [each for each in traceback.extract_stack(limit=40) if "/runflowd/" in each.filename]
        came = " < ".join(f"{each.filename.rpartition('/runflowd/')[2]}:{each.lineno}" for each in frames[:-5:-1])
        if (kind, call, came) not in self._seen:
            self._seen.add((kind, call, came))
            _write(self._notes, f"{kind}\t{call}\t{touched}\t{came}\n".encode("utf-8", "surrogateescape"))


def _place(named: Any) -> str:
    """The path that an argument of a call names or stands for, with a slash at its end; "" if it does neither."""
    if isinstance(named, str | bytes | os.PathLike) and named:
        return f"{os.path.abspath(os.fsdecode(named))}/"  # noqa: PTH100  pathlib's would look
    try:
        return f"{_readlink(f'/proc/self/fd/{named}')}/" if isinstance(named, int) else ""
    except OSError:
        return ""


def _kind() -> str:
    """What the calling thread works as."""
    if known := getattr(_here, "kind", ""):
        return str(known)
    thread = threading.current_thread()
    if thread is threading.main_thread():
        return MAIN
    if thread.name.startswith("probing "):
        return DEADLINE
    return WATCHER if type(thread).__module__.startswith("watchdog.") else OTHER


def _mark_threads() -> None:
    """Let every call on a worker thread know for whom that works, told by who made its limiter."""
    kinds: dict[Any, str] = {}
    run_sync = anyio.to_thread.run_sync

    def marks(kind: str, owner: type, attribute: str) -> None:
        begin = owner.__init__  # type: ignore[misc]

        def made(self: Any, *given: Any, **named: Any) -> None:
            begin(self, *given, **named)
            kinds[getattr(self, attribute, None)] = kind

        owner.__init__ = made  # type: ignore[misc]

    async def marked(call: Callable[..., Any], *given: Any, limiter: Any = None, **named: Any) -> Any:
        kind = POOL if limiter is None else kinds.get(limiter, OTHER)
        return await run_sync(partial(_as, kind, call), *given, limiter=limiter, **named)

    marks(GUARD, FolderIo, "_threads")
    marks(WATCHER, Watcher, "_thread")
    anyio.to_thread.run_sync = marked  # type: ignore[assignment]


def _as(kind: str, call: Callable[..., Any], *given: Any) -> Any:
    _here.kind = kind
    try:
        return call(*given)
    finally:
        _here.kind = ""


if __name__ == "__main__":
    _mark_threads()
    Recorder(sys.argv[1], sys.argv[2]).install()
    del sys.argv[1:3]
    sys.exit(program())
