"""The watcher: file events become hints "look in this folder", and its own ills become facts.

Threads of watchdog (7.1 or later, one shared inotify instance) call `_Handler`, which drops noise
and puts folders into a bounded set; the first hint wakes the event loop. Nothing here is relied
upon: the sweep finds what the watcher misses. But most ills of a watcher are silent (a dead thread,
a root made anew, the watch limit), so `audit` compares it with the facts each turn and rebuilds it.

Roots on network file systems do not belong here: `runflowd.filesystems.wants_sweep` tells them.
"""

from __future__ import annotations

import errno
import logging
import os
import warnings
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
from watchdog import events
from watchdog.observers.inotify import InotifyObserver

from runflowd.core.printable import printable
from runflowd.dirty import Changes, Dirty
from runflowd.files import TEMPORARY_PREFIX, root_identity, walk
from runflowd.filesystems import inotify_limits, watches_used_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from watchdog.observers.api import ObservedWatch


class Ill(StrEnum):
    """The kinds of trouble a watcher can be in."""

    DIED = "died"
    ROOT_GONE = "root-gone"
    ROOT_REPLACED = "root-replaced"
    WATCH_LIMIT = "watch-limit"
    INSTANCE_LIMIT = "instance-limit"
    OVERFLOW = "overflow"
    UNWATCHED = "unwatched"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that keeps events from coming; sweeping goes on regardless.

    `message` says what happened and what to do. `path` is the root concerned, "" for all.
    """

    ill: Ill
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class _Armed:
    """A root under watch, and which folder it was then."""

    watch: ObservedWatch
    identity: tuple[int, int]


class Watcher:
    """Watches root folders with everything beneath. Use with `async with`, on any anyio backend.

    Args:
        limit: Most hints kept between two waits; more become "sweep everything".
    """

    def __init__(self, *, limit: int = 4096) -> None:
        self._dirty = Dirty(limit)
        self._event = anyio.Event()
        self._token: anyio.lowlevel.EventLoopToken | None = None
        self._turn = anyio.Lock()
        self._observer: InotifyObserver | None = None
        self._roots: frozenset[str] = frozenset()
        self._ignore: frozenset[str] = frozenset()
        self._armed: dict[str, _Armed] = {}
        self._troubles: dict[tuple[Ill, str], Trouble] = {}
        self._overflows = 0
        self._overflows_told = 0

    def __repr__(self) -> str:
        return f"<Watcher of {len(self._armed)} of {len(self._roots)} roots, {len(self._troubles)} troubles>"

    async def __aenter__(self) -> Self:
        self._token = anyio.lowlevel.current_token()
        _OVERFLOWS.attach(self._on_overflow)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._stop)
        _OVERFLOWS.detach(self._on_overflow)

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What the last audit found, reported or not; for status pages."""
        return tuple(self._troubles.values())

    @property
    def watched(self) -> frozenset[str]:
        """The roots that events come from; the others must be swept often."""
        return frozenset(self._armed)

    @property
    def overflows(self) -> int:
        """How often the kernel's queue overflowed and lost events, since the start."""
        return self._overflows

    async def set_roots(self, roots: Iterable[str], *, ignore: Iterable[str] = ()) -> None:
        """Watch exactly these absolute folders; events beneath `ignore` (own outputs) are dropped.

        A root that cannot be watched is no error: the next audit names it and tries again. Every
        newly armed root comes up as a tree in the next `wait`.
        """
        async with self._turn:
            ignored = frozenset(ignore)
            if ignored != self._ignore:
                self._ignore = ignored
                await anyio.to_thread.run_sync(self._stop)
            self._roots = frozenset(roots)
            await anyio.to_thread.run_sync(self._arm_all)

    async def wait(self, timeout: float) -> Changes:  # noqa: ASYNC109  a deadline is half of this call's purpose
        """Wait for hints, at most `timeout` seconds; empty changes after that."""
        await anyio.lowlevel.checkpoint()
        with anyio.move_on_after(timeout):
            while not self._dirty:
                await self._event.wait()
                self._event = anyio.Event()
        return self._dirty.take()

    async def audit(self) -> tuple[Trouble, ...]:
        """Compare the watcher with the facts and mend it; return the troubles not reported before.

        What was mended comes up in `wait` as trees or everything. Cheap enough for each turn.
        """
        async with self._turn:
            found = await anyio.to_thread.run_sync(self._examine)
        now = {(trouble.ill, trouble.path): trouble for trouble in found}
        new = tuple(trouble for key, trouble in now.items() if key not in self._troubles)
        self._troubles = now
        return new

    # What follows runs in worker threads, one at a time.

    def _examine(self) -> list[Trouble]:
        found: list[Trouble] = []
        if self._observer is not None and not _alive(self._observer):
            self._stop()
            found.append(Trouble(Ill.DIED, "", "the file watcher died and was started anew"))
        found += self._check_roots()
        found += self._arm_all()
        found += self._check_limit(found)
        if self._overflows != self._overflows_told:
            self._overflows_told = self._overflows
            found.append(Trouble(Ill.OVERFLOW, "", _overflow_message()))
        return found

    def _check_roots(self) -> list[Trouble]:
        """Disarm every root that is another folder than before, or whose thread has ended."""
        found = []
        for root, armed in list(self._armed.items()):
            identity = root_identity(root)
            if identity != armed.identity:
                self._disarm(root)
                if identity is not None:
                    message = f"{printable(root)} is another folder than before; it is watched anew"
                    found.append(Trouble(Ill.ROOT_REPLACED, root, message))
            elif not self._has_live_emitter(armed.watch):
                self._disarm(root)
        return found

    def _check_limit(self, found: list[Trouble]) -> list[Trouble]:
        if not self._armed or any(trouble.ill is Ill.WATCH_LIMIT for trouble in found):
            return []
        before = any(ill is Ill.WATCH_LIMIT for ill, _ in self._troubles)
        if watches_used_up():
            return [self._limit_trouble()]
        if before:  # Room again: folders left out then are covered only by starting over.
            self._stop()
            return self._arm_all()
        return []

    def _arm_all(self) -> list[Trouble]:
        for root in self._armed.keys() - self._roots:
            self._disarm(root)
        missing = sorted(self._roots - self._armed.keys())
        return [trouble for root in missing if (trouble := self._arm(root)) is not None]

    def _arm(self, root: str) -> Trouble | None:
        """Begin watching a root; the trouble if that does not work."""
        identity = root_identity(root)
        if identity is None:
            message = f"{printable(root)} is not there (unmounted, or removed); its files wait until it is back"
            return Trouble(Ill.ROOT_GONE, root, message)
        # The library does not follow a symlink given as root, so it gets the real folder.
        handler = _Handler(root, os.path.realpath(root), self._ignore, self._dirty, self._wake)
        try:
            self._observer = self._observer or _started()
            watch = self._observer.schedule(handler, handler.real, recursive=True, event_filter=_WANTED)
        except (OSError, RuntimeError) as error:
            return self._why_unwatched(root, error)
        self._armed[root] = _Armed(watch, identity)
        self._dirty.add_tree(root)
        self._wake()
        return None

    def _why_unwatched(self, root: str, error: Exception) -> Trouble:
        code = error.errno if isinstance(error, OSError) else None
        if code == errno.ENOSPC:
            return self._limit_trouble()
        if code == errno.EMFILE:
            return Trouble(Ill.INSTANCE_LIMIT, "", _instances_message())
        message = f"{printable(root)} cannot be watched ({error}); it is swept instead"
        return Trouble(Ill.UNWATCHED, root, message)

    def _limit_trouble(self) -> Trouble:
        """Counting folders takes a while, so it is done once per incident."""
        known = self._troubles.get((Ill.WATCH_LIMIT, ""))
        return known or Trouble(Ill.WATCH_LIMIT, "", _limit_message(self._roots))

    def _disarm(self, root: str) -> None:
        armed = self._armed.pop(root)
        if self._observer is not None and all(armed.watch != other.watch for other in self._armed.values()):
            with suppress(KeyError, OSError):
                self._observer.unschedule(armed.watch)

    def _has_live_emitter(self, watch: ObservedWatch) -> bool:
        emitters = self._observer.emitters if self._observer is not None else set()
        return any(emitter.watch == watch and emitter.is_alive() for emitter in emitters)

    def _stop(self) -> None:
        observer, self._observer = self._observer, None
        self._armed.clear()
        if observer is not None:
            observer.stop()
            observer.join()

    # Called by watchdog's threads as well.

    def _on_overflow(self) -> None:
        self._overflows += 1
        if self._dirty.add_everything():
            self._wake()

    def _wake(self) -> None:
        with suppress(anyio.RunFinishedError):
            anyio.from_thread.run_sync(self._set_event, token=self._token)

    def _set_event(self) -> None:
        self._event.set()


_WANTED: list[type[events.FileSystemEvent]] = [
    *(events.FileCreatedEvent, events.FileMovedEvent, events.FileClosedEvent, events.FileDeletedEvent),
    *(events.DirCreatedEvent, events.DirMovedEvent, events.DirDeletedEvent, events.DirAttribEvent),
    *(events.FileModifiedEvent, events.FileAttribEvent),
]
"""Everything but opens and closes of readers, of which our own hashing makes many: those never leave the kernel."""


class _Handler(events.FileSystemEventHandler):
    """Turns the events of one root into hints. It must not raise: that would end watchdog's thread."""

    def __init__(self, root: str, real: str, ignore: frozenset[str], dirty: Dirty, wake: Callable[[], None]) -> None:
        self.real = real
        self._root = root.rstrip("/")
        self._ignored = tuple(f"{path.rstrip('/')}/" for path in ignore if path.startswith(f"{self._root}/"))
        self._dirty = dirty
        self._wake = wake

    def dispatch(self, event: events.FileSystemEvent) -> None:
        """Note where to look after one event."""
        try:
            first = self._note(event)
        except Exception:  # noqa: BLE001  whatever it was, a sweep is the answer
            first = self._dirty.add_everything()
        if first:
            self._wake()

    def _note(self, event: events.FileSystemEvent) -> bool:
        first = False
        for raw in (event.src_path, event.dest_path):
            path = os.fsdecode(raw)
            if path and not self._is_noise(path := self._root + path[len(self.real.rstrip("/")) :]):
                first |= self._hint(event, path)
        return first

    def _hint(self, event: events.FileSystemEvent, path: str) -> bool:
        parent = path.rpartition("/")[0] if path != self._root else path
        first = self._dirty.add_folder(parent or "/")
        if event.is_directory and not isinstance(event, events.DirDeletedEvent):
            first |= self._dirty.add_tree(path or "/")
        return first

    def _is_noise(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        return name.startswith(TEMPORARY_PREFIX) or f"{path}/".startswith(self._ignored or ("\0",))


class _OverflowFilter(logging.Filter):
    """Hears of lost events by the only voice watchdog gives them, its log, and keeps that voice down.

    One for all watchers of the process: a filter that drops a record hides it from every later one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._listeners: tuple[Callable[[], None], ...] = ()

    def attach(self, heard: Callable[[], None]) -> None:
        self._listeners = (*self._listeners, heard)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self)

    def detach(self, heard: Callable[[], None]) -> None:
        self._listeners = tuple(listener for listener in self._listeners if listener != heard)
        for name in _LOGGERS if not self._listeners else ():
            logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop overflow records after passing on what they mean."""
        if "overflow" not in str(record.msg):
            return True
        for heard in self._listeners:
            heard()
        return False


_OVERFLOWS = _OverflowFilter()
_LOGGERS = ("watchdog.observers.inotify", "watchdog.observers.inotify_c")


def _started() -> InotifyObserver:
    # A pasted tree makes the library warn for every folder, with its whole watch table in each text;
    # where warnings are errors they would end its thread.
    warnings.filterwarnings("ignore", message="Callback with id ", category=RuntimeWarning)
    observer = InotifyObserver()
    observer.start()
    return observer


def _alive(observer: InotifyObserver) -> bool:
    """Whether the dispatching thread and the one that reads inotify both run."""
    reader = getattr(observer, "_inotify_fd", None)
    return observer.is_alive() and (reader is None or reader.is_alive())


def _limit_message(roots: frozenset[str]) -> str:
    needed = sum(1 for root in roots for _ in walk(root))
    limit = inotify_limits().watches
    allowed = f"the limit is {limit} for all programs of this user" if limit else "the limit is not readable here"
    wanted = max(524_288, 2 * needed, 2 * (limit or 0))
    return (
        f"the kernel grants no more inotify watches: the watched folders hold {needed} directories, {allowed}. "
        f"Folders without a watch are found by the sweep only. Remedy: sysctl fs.inotify.max_user_watches={wanted}"
        " (to keep it, put that setting into a file in /etc/sysctl.d)"
    )


def _instances_message() -> str:
    limit = inotify_limits().instances
    return (
        "the kernel grants no inotify instance (or no file descriptor is left); all folders are swept instead. "
        f"Remedy: sysctl fs.inotify.max_user_instances={2 * (limit or 512)}"
    )


def _overflow_message() -> str:
    limit = inotify_limits().queued_events
    return (
        "more changed at once than the kernel's queue holds and events were lost; everything is swept. "
        f"If this happens often: sysctl fs.inotify.max_queued_events={4 * (limit or 16_384)}"
    )
