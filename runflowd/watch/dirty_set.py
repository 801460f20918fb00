"""Folders that may have changed: a bounded set filled by watcher threads, emptied by the event loop."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Changes:
    """Where to look, as absolute paths.

    `folders`: list these. `trees`: list these and everything beneath (a folder was pasted or moved
    in, or its root was armed anew). `everything`: hints were lost, rescan all roots.
    """

    folders: frozenset[str] = frozenset()
    trees: frozenset[str] = frozenset()
    everything: bool = False

    def __bool__(self) -> bool:
        return self.everything or bool(self.folders or self.trees)


class Dirty:
    """Collects hints from any thread. More than `limit` of them become "rescan everything"."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._folders: set[str] = set()
        self._trees: set[str] = set()
        self._everything = False

    def __bool__(self) -> bool:
        return self._everything or bool(self._folders or self._trees)

    def add_folder(self, path: str) -> bool:
        """Say "list this folder"; the answer is whether this is the first hint since `take`."""
        return self._add(self._folders, path)

    def add_tree(self, path: str) -> bool:
        """Say "list this folder and everything beneath"; answers like `add_folder`."""
        return self._add(self._trees, path)

    def add_everything(self) -> bool:
        """Say "hints were lost"; answers like `add_folder`."""
        with self._lock:
            first = not self
            self._everything = True
            self._folders.clear()
            self._trees.clear()
        return first

    def take(self) -> Changes:
        """All hints since the last call. What lies beneath a tree is not named again."""
        with self._lock:
            folders, trees, everything = self._folders, self._trees, self._everything
            self._folders, self._trees, self._everything = set(), set(), False
        tops = {path for path in trees if not _lies_beneath(path, trees)}
        loose = {path for path in folders if path not in tops and not _lies_beneath(path, tops)}
        return Changes(frozenset(loose), frozenset(tops), everything)

    def _add(self, paths: set[str], path: str) -> bool:
        with self._lock:
            first = not self
            if self._everything:
                return False
            if len(self._folders) + len(self._trees) < self._limit:
                paths.add(path)
            elif path not in paths:
                self._everything = True
                self._folders.clear()
                self._trees.clear()
        return first


def _lies_beneath(path: str, tops: set[str]) -> bool:
    while len(path) > 1:
        path = path.rpartition("/")[0] or "/"
        if path in tops:
            return True
    return False
