"""Hints that a folder is to be scanned: from events, from other stages, and from rows to be checked again.

A hint is never a fact. What it leads to is decided by the scan, and a lost hint costs the time to the next rescan.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runflowd.pipeline.context import ScanHint
from runflowd.pipeline.hint_queue import MAX_HINTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.pipeline.context import Context
    from runflowd.pipeline.intake.reconcile import FolderScanner
    from runflowd.pipeline.intake.rule_state import RuleState
    from runflowd.watch.dirty_set import Changes

SCANS_PER_TURN = 64

FACTS = 5.0
"""Seconds between two questions to the store for files that are to be looked at anew, as after `retry`."""

SECOND_LOOK = 2.0
"""Seconds after which a pasted folder is looked at again: files may have come in before its watch was armed."""


class HintDispatcher:
    """Collects hints, dispatches them to the rules that they concern, and drains each rule's hints by scanning."""

    def __init__(self, context: Context, scanner: FolderScanner) -> None:
        self._context = context
        self._scanner = scanner
        self._second_looks: list[tuple[float, ScanHint]] = []
        self._facts_due = 0.0

    def note(self, changes: Changes, rule_states: Mapping[str, RuleState]) -> None:
        """Turn what the watcher noticed into hints; where it may have missed something, let a rescan be due."""
        if changes.everything:
            for rule_state in rule_states.values():
                rule_state.hints_lost()
        for paths, deep in ((changes.folders, False), (changes.trees, True)):
            for path in paths:
                for name, rule_state in rule_states.items():
                    root = rule_state.rule.watch
                    if path == root and deep:
                        # A root armed anew. Before its first rescan there is nothing to catch up with.
                        rule_state.events_lost = True
                        if rule_state.rescanned:
                            rule_state.hints_lost()
                    elif path == root or path.startswith(f"{root}/"):
                        self._context.hints.add(ScanHint(name, path[len(root) + 1 :], deep))

    async def dispatch(self, rule_states: Mapping[str, RuleState]) -> None:
        """Give each rule the folders that it should scan."""
        now = self._context.clock.now()
        if now >= self._facts_due:
            self._facts_due = now + FACTS
            for row in await self._context.store.read(
                lambda connection: connection.all("requested_folders", limit=100)
            ):
                self._context.hints.add(ScanHint(row["rule"], os.fsdecode(row["dir"])))
        ready = [hint for due, hint in self._second_looks if due <= now]
        self._second_looks = [entry for entry in self._second_looks if entry[0] > now]
        hints, lost = self._context.hints.take()
        for group, again in ((ready, False), (hints, True)):
            for hint in group:
                if (rule_state := rule_states.get(hint.rule)) is not None and rule_state.admitted:
                    rule_state.hints.setdefault(hint, again)
        for name, rule_state in rule_states.items():
            if name in lost or len(rule_state.hints) > MAX_HINTS:
                rule_state.hints_lost()

    async def drain(self, rule_state: RuleState) -> None:
        """Scan the folders that hints of one rule point at, as many as a turn has time for."""
        for hint, again in list(rule_state.hints.items())[:SCANS_PER_TURN]:
            if rule_state.hints.pop(hint, None) is None:
                return  # all of them were given up meanwhile for a rescan, as when the root is another folder now
            if rule_state.matcher.prunes(hint.folder):
                continue
            rule_state.missed_events.clear(hint.folder, deep=hint.deep)
            await self._scanner.scan(rule_state, hint.folder, deep=hint.deep, since=rule_state.hints_since)
            if hint.deep and again and len(self._second_looks) < MAX_HINTS:
                self._second_looks.append((self._context.clock.now() + SECOND_LOOK, hint))
            elif hint.deep and again:
                rule_state.hints_lost()

    def deadlines(self) -> list[float]:
        """When second looks are due, in monotonic seconds."""
        return [due for due, _ in self._second_looks]
