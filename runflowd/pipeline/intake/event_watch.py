"""Intake's watcher: which folders it watches, whether its events can be relied upon, and what it missed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from runflowd.core.chains import own_outputs
from runflowd.core.turns import Events
from runflowd.pipeline.context import MAX_IDLE, Context
from runflowd.pipeline.wake_event import WakeEvent
from runflowd.system.mounts import follows_events
from runflowd.watch import ProblemKind, Watcher

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anyio.abc import TaskGroup

    from runflowd.pipeline.intake.watched_rule import WatchedRule

log = structlog.get_logger()

REBUILD_PAUSE = 3600.0
"""Seconds between two times that the watcher is started anew because events were missed: it may be of no use."""


class EventWatch:
    """Keeps the watcher at the folders that events tell of. Without one, rescans alone find files."""

    def __init__(self, context: Context, watched_rules: Mapping[str, WatchedRule]) -> None:
        self._context = context
        self._watched = watched_rules
        self._roots_changed = WakeEvent()
        self._noticed = WakeEvent()
        self._armed = WakeEvent()
        self._rebuild_due = 0.0
        self.watcher: Watcher | None = None
        self.missed = 0

    def start(self, group: TaskGroup) -> Watcher:
        """Begin; the watcher is to be entered by the caller."""
        self.watcher = watcher = Watcher(self._context.hints, self._wake)
        group.start_soon(self._audit, watcher)
        group.start_soon(self._arm, watcher)
        return watcher

    def hears(self, folder: str) -> bool:
        """Whether the watcher is well and watches a folder."""
        watcher = self.watcher
        return (
            watcher is not None
            and folder in watcher.watched
            and not any(problem.path in {"", folder} for problem in watcher.problems)
        )

    async def detect(self, watched: WatchedRule) -> None:
        """Find out whether events tell of changes in a rule's folder; until it answers, it is rescanned."""
        coming = await watched.folder_io.read(follows_events, watched.rule)
        watched.turn = replace(watched.turn, events=Events.COMING if coming else Events.ABSENT)
        self.rules_changed()
        self._armed.notify()

    def rules_changed(self) -> None:
        """Let the watcher watch what the rules of now say."""
        self._roots_changed.notify()

    async def armed(self) -> None:
        """Wait until every rule is watched as it is to be."""
        while self._is_unarmed():
            await self._armed.wait(MAX_IDLE)

    def report_missed(self, watched_rules: Iterable[WatchedRule], now: float, group: TaskGroup) -> None:
        """Count the files that no event announced, and rebuild the watcher: it may have failed without notice."""
        for watched in watched_rules:
            if self._context.hints.waiting(watched.rule.name):
                continue  # what is still to be scanned may be what an event announced
            if not (count := watched.missed_events.expire(now)):
                continue
            self.missed += count
            log.warning(
                "the rescan found files that no event announced; events are only hints, but these should come",
                action="watch.missed",
                rule=watched.rule.name,
                count=count,
            )
            if self.watcher is not None and now >= self._rebuild_due:
                self._rebuild_due = now + REBUILD_PAUSE
                group.start_soon(self.watcher.rebuild)

    def _is_unarmed(self) -> bool:
        roots = self._roots()
        present = roots if self.watcher is None else self.watcher.roots
        return roots != present or any(each.turn.events is Events.UNASKED for each in self._watched.values())

    def _roots(self) -> frozenset[str]:
        return frozenset(each.rule.watch for each in self._watched.values() if each.turn.events is Events.COMING)

    async def _arm(self, watcher: Watcher) -> None:
        """Watch the folders that events tell of, as often as those become others."""
        while True:
            if await self._roots_changed.wait(MAX_IDLE):
                await watcher.set_roots(self._roots(), ignore=own_outputs(self._context.rules.values()))
                self._armed.notify()

    async def _audit(self, watcher: Watcher) -> None:
        """Log what is wrong with the watcher, and have a root that is gone or another one rescanned: that tells of it.

        A root that does not answer is waited for here, and by no hint.
        """
        while True:
            await self._noticed.wait(MAX_IDLE)
            for problem in await watcher.audit():
                log.warning(problem.message, action="watch.failed", kind=problem.kind, path=problem.path)
                if problem.kind in {ProblemKind.ROOT_GONE, ProblemKind.ROOT_REPLACED}:
                    self._rescan(problem.path)
            self._context.stage_events.intake.notify()

    def _rescan(self, root: str) -> None:
        for watched in self._watched.values():
            if watched.rule.watch == root:
                watched.turn = replace(watched.turn, rescan_due=0.0)

    def _wake(self) -> None:
        self._noticed.notify()
        self._context.stage_events.intake.notify()
