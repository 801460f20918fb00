"""A watcher whose hints a test can wait for, as absolute paths."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
import anyio.lowlevel

from runflowd.core.turns import Lost
from runflowd.watch import HintQueue, Watcher

ALL = "all"
"""The rule that all hints are for; it watches the whole disk."""


@dataclass(frozen=True)
class Changes:
    """Where to look: `folders` alone, `trees` with all beneath, or `everything`."""

    folders: frozenset[str] = frozenset()
    trees: frozenset[str] = frozenset()
    everything: bool = False

    def __bool__(self) -> bool:
        return self.everything or bool(self.folders or self.trees)


def queue(limit: int = 4096) -> HintQueue:
    """A queue with one rule, which watches the whole disk."""
    hints = HintQueue(limit)
    hints.set_roots({ALL: "/"})
    return hints


def take(hints: HintQueue) -> Changes:
    """All that is in such a queue."""
    everything = hints.pop_lost(ALL) is not Lost.NOTHING
    found = []
    while popped := hints.pop(ALL):
        found.append(popped[0])
    folders = frozenset(f"/{hint.folder}" for hint in found if not hint.deep)
    return Changes(folders, frozenset(f"/{hint.folder}" for hint in found if hint.deep), everything)


class HearingWatcher(Watcher):
    """A watcher with a queue of its own."""

    def __init__(self, limit: int = 4096) -> None:
        self._heard = anyio.Event()
        super().__init__(queue(limit), self._on_wake)

    def _on_wake(self) -> None:
        self._heard.set()

    async def wait(self, timeout: float) -> Changes:  # noqa: ASYNC109  a deadline is half of this call's purpose
        """Wait for hints, at most `timeout` seconds; empty changes after that."""
        await anyio.lowlevel.checkpoint()
        with anyio.move_on_after(timeout):
            while not self._hints:
                await self._heard.wait()
                self._heard = anyio.Event()
        return take(self._hints)
