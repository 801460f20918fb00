"""Out of the queue of hints: what was lost becomes a rescan, what is there is scanned."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runflowd.core.turns import Lost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.files.scan import Scan
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.intake.reconcile import FolderScanner
    from runflowd.pipeline.intake.watched_rule import WatchedRule

SCANS_PER_TURN = 64

FACTS = 5.0
"""Seconds between two questions to the store for files that are to be looked at anew, as after `retry`."""

SECOND_LOOK = 2.0
"""Seconds after which a pasted folder is looked at again: files may have come in before its watch was armed."""


class HintDrain:
    """Drains each rule's hints by scanning."""

    def __init__(self, context: Context, scanner: FolderScanner) -> None:
        self._context = context
        self._scanner = scanner
        self._facts_due = 0.0

    async def prepare(self, watched_rules: Mapping[str, WatchedRule]) -> None:
        """Put in what the store asks for and what is due for the second time, and note what was lost."""
        hints, now = self._context.hints, self._context.clock.now()
        if now >= self._facts_due:
            self._facts_due = now + FACTS
            for row in await self._context.store.read(
                lambda connection: connection.all("requested_folders", limit=100)
            ):
                hints.add(row["rule"], os.fsdecode(row["dir"]))
        hints.put_due(now)
        for name, watched in watched_rules.items():
            lost = hints.pop_lost(name)
            if lost is not Lost.NOTHING:
                watched.turn = watched.turn.after_loss(lost)
            if watched.turn.lost is Lost.HINTS and lost is not Lost.NOTHING:
                hints.discard(name)
                watched.missed_events.excuse()

    async def drain(self, watched: WatchedRule, scan: Scan | None) -> None:
        """Scan the folders that hints of one rule point at, as many as a turn has time for; `scan` is for sharing."""
        hints = self._context.hints
        for _ in range(SCANS_PER_TURN):
            popped = hints.pop(watched.rule.name)
            if popped is None:
                return
            hint, again = popped
            if watched.rule.matcher.prunes(hint.folder):
                continue
            watched.missed_events.clear(hint.folder, deep=hint.deep)
            await self._scanner.scan(watched, hint.folder, deep=hint.deep, scan=scan)
            if hint.deep and again:
                hints.repeat(hint, self._context.clock.now() + SECOND_LOOK)
