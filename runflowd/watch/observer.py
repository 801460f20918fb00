"""Speaking with watchdog: what is asked of it, what its events mean, and the one ill it tells only its log.

Its threads run what is here, so nothing may raise or wait.
"""

from __future__ import annotations

import logging
import os
import warnings
from typing import TYPE_CHECKING

from watchdog import events
from watchdog.observers.inotify import InotifyObserver

from runflowd.files import TEMPORARY_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.watch.hint_queue import HintQueue

WANTED: list[type[events.FileSystemEvent]] = [
    *(events.FileCreatedEvent, events.FileMovedEvent, events.FileClosedEvent, events.FileDeletedEvent),
    *(events.DirCreatedEvent, events.DirMovedEvent, events.DirDeletedEvent, events.DirAttribEvent),
    *(events.FileModifiedEvent, events.FileAttribEvent),
]
"""Everything but opens and closes of readers, of which our own hashing makes many: those never leave the kernel."""


class Handler(events.FileSystemEventHandler):
    """Turns the events of one root into hints. It must not raise: that would end watchdog's thread."""

    def __init__(
        self, root: str, real: str, ignore: frozenset[str], hints: HintQueue, wake: Callable[[], None]
    ) -> None:
        self.real = real
        self._root = root.rstrip("/")
        self._ignored = tuple(f"{path.rstrip('/')}/" for path in ignore if path.startswith(f"{self._root}/"))
        self._hints = hints
        self._wake = wake

    def dispatch(self, event: events.FileSystemEvent) -> None:
        """Note where to look after one event."""
        try:
            first = self._note(event)
        except Exception:  # noqa: BLE001  whatever it was, a rescan is the answer
            first = self._hints.lose()
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
        first = self._hints.add_path(parent or "/")
        if event.is_directory and not isinstance(event, events.DirDeletedEvent):
            first |= self._hints.add_path(path or "/", deep=True)
        return first

    def _is_noise(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        return name.startswith(TEMPORARY_PREFIX) or f"{path}/".startswith(self._ignored or ("\0",))


class OverflowFilter(logging.Filter):
    """Hears of lost events by the only voice watchdog gives them, its log, and keeps that voice down.

    One for all watchers of the process: a filter that drops a record hides it from every later one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._listeners: tuple[Callable[[], None], ...] = ()

    def attach(self, heard: Callable[[], None]) -> None:
        """Call `heard` at each loss of events."""
        self._listeners = (*self._listeners, heard)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self)

    def detach(self, heard: Callable[[], None]) -> None:
        """Call it no more."""
        self._listeners = tuple(listener for listener in self._listeners if listener != heard)
        for name in _LOGGERS if not self._listeners else ():
            logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop overflow records after passing on what they mean, and last words of an observer that was stopped."""
        if "thread is inactive" in str(record.msg):
            return False  # its successor has been asked to look at everything
        if "overflow" not in str(record.msg):
            return True
        for heard in self._listeners:
            heard()
        return False


OVERFLOWS = OverflowFilter()
_LOGGERS = ("watchdog.observers.inotify", "watchdog.observers.inotify_c")


def started() -> InotifyObserver:
    """A new observer at work. Raises OSError when the kernel grants no inotify instance."""
    # A pasted tree makes the library warn for every folder, with its whole watch table in each text;
    # where warnings are errors they would end its thread.
    warnings.filterwarnings("ignore", message="Callback with id ", category=RuntimeWarning)
    observer = InotifyObserver()
    observer.start()
    return observer


def is_alive(observer: InotifyObserver) -> bool:
    """Whether the dispatching thread and the one that reads inotify both run."""
    reader = getattr(observer, "_inotify_fd", None)
    return observer.is_alive() and (reader is None or reader.is_alive())
