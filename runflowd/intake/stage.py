"""The intake loop: hints and deadlines in, ready items and sealed batches out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import structlog

from runflowd.context import LONGEST_NAP, Context, Look
from runflowd.errors import StoreError
from runflowd.intake.accept import Accepting
from runflowd.intake.look import Looking
from runflowd.intake.references import follow_references
from runflowd.intake.refresh import refresh_ready
from runflowd.intake.seal import Sealing
from runflowd.intake.shelf import Shelf
from runflowd.intake.sweep import Sweeping
from runflowd.watch import Watcher

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from runflowd.core.model import Rule
    from runflowd.dirty import Changes

log = structlog.get_logger()

LOOKS_PER_TURN = 64

FACTS = 5.0
"""Seconds between two questions to the store for files that are to be looked at anew, as after `retry`."""

REFERENCE_LOOK = 5.0
"""Seconds between two looks for a reference file that is not there."""

REBUILD_PAUSE = 3600.0
"""Seconds between two times that the watcher is started anew because events were missed: it may be of no use."""

SECOND_LOOK = 2.0
"""Seconds after which a pasted folder is looked at again: files may have come in before its watch was armed."""


class Intake:
    """Stage one. What it holds in memory is found again by the next sweep."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._looking = Looking(context)
        self._sweeping = Sweeping(context, self._looking)
        self._accepting = Accepting(context)
        self._sealing = Sealing(context)
        self._shelves: dict[str, Shelf] = {}
        self._rules: dict[str, Rule] | None = None
        self._second_looks: list[tuple[float, Look]] = []
        self._facts_due = 0.0
        self._stopping = False
        self._rebuild_due = 0.0
        self.watcher: Watcher | None = None
        self.missed = 0
        """Files since the start that no event told of, where events should have."""

    def stop(self) -> None:
        """Take nothing more in."""
        self._stopping = True
        self._context.bells.intake.ring()

    @property
    def idle(self) -> bool:
        """Whether every folder was swept and no file is waiting for rest; for `sync`."""
        return (
            self._rules is self._context.rules
            and not self._context.looks
            and all(
                shelf.swept and not shelf.sweeping and not shelf.overflowed and not len(shelf.settling)
                for shelf in self._shelves.values()
            )
        )

    @property
    def waiting(self) -> int:
        """How many files are being watched until they rest."""
        return sum(len(shelf.settling) for shelf in self._shelves.values())

    async def run(self, *, watch: bool = True) -> None:
        """Turn until `stop`; with `watch` off, sweeps alone find files."""
        async with Watcher() as watcher, anyio.create_task_group() as group:
            if watch:
                self.watcher = watcher
                group.start_soon(self._listen, watcher)
            while not self._stopping:
                self._context.beat("intake")
                try:
                    nap = await self._turn(group)
                except StoreError as trouble:
                    self._context.storms.error(str(trouble), action="store.failed", stage="intake")
                    nap = 5.0
                await self._context.bells.intake.wait(nap)
            group.cancel_scope.cancel()

    async def _turn(self, group: TaskGroup) -> float:
        if self._rules is not self._context.rules:
            await self._follow_rules()
        await self._follow_hints()
        now = self._context.clock.now()
        for shelf in self._shelves.values():
            if not shelf.sweeping and shelf.sweep_due <= now:
                shelf.sweeping = True
                shelf.hears, shelf.deaf = self._hears(shelf), False
                group.start_soon(self._sweeping.sweep, shelf)
        await self._tell_missed(now)
        accepted = 0
        for shelf in list(self._shelves.values()):
            accepted += await self._accept(shelf)
        await self._sealing.turn(list(self._shelves.values()))
        return 0.0 if accepted or self._context.looks else self._nap()

    def _hears(self, shelf: Shelf) -> bool:
        """Whether events tell of every new file of a rule, so that a sweep should find none."""
        watcher = self.watcher
        return (
            watcher is not None
            and shelf.by_events
            and shelf.swept
            and not (shelf.deaf or shelf.overflowed)
            and shelf.rule.watch in watcher.watched
            and not any(trouble.path in {"", shelf.rule.watch} for trouble in watcher.troubles)
        )

    async def _tell_missed(self, now: float) -> None:
        """Count the files that no event told of, and start the watcher anew: it may be deaf without knowing."""
        if self._context.looks:
            return  # what is still to be looked at may be what an event told of
        for shelf in self._shelves.values():
            if not (count := shelf.suspects.judge(now)):
                continue
            self.missed += count
            log.warning(
                "the sweep found files that no event told of; events are only hints, but these should come",
                action="watch.missed",
                rule=shelf.rule.name,
                count=count,
            )
            if self.watcher is not None and now >= self._rebuild_due:
                self._rebuild_due = now + REBUILD_PAUSE
                await self.watcher.rebuild()

    def _nap(self) -> float:
        """Seconds until something is due by itself."""
        deadlines = [shelf.sweep_due for shelf in self._shelves.values() if not shelf.sweeping]
        for shelf in self._shelves.values():
            rested = shelf.settling.next_deadline()
            if rested is not None:
                # Without its references a rule accepts nothing, however long its files have rested.
                deadlines.append(rested if shelf.usable else max(rested, self._context.clock.now() + REFERENCE_LOOK))
        deadlines += [due for due, _ in self._second_looks]
        deadlines += [shelf.suspects.due for shelf in self._shelves.values() if shelf.suspects.due is not None]
        deadlines += [self._sealing.deadline] if self._sealing.deadline is not None else []
        now = self._context.clock.now()
        return min(LONGEST_NAP, max(0.0, min((deadline - now for deadline in deadlines), default=LONGEST_NAP)))

    async def _follow_rules(self) -> None:
        """The configuration was swapped: rules that stayed the same keep what they know."""
        rules = self._context.rules
        for name in self._shelves.keys() - rules.keys():
            del self._shelves[name]
        for name, rule in rules.items():
            if name not in self._shelves or self._shelves[name].rule != rule:
                await self._open_shelf(rule)
        self._rules = rules
        if self.watcher is not None:
            roots = [shelf.rule.watch for shelf in self._shelves.values() if shelf.by_events]
            await self.watcher.set_roots(roots, ignore=[rule.output for rule in rules.values()])

    async def _open_shelf(self, rule: Rule) -> None:
        self._shelves[rule.name] = shelf = await anyio.to_thread.run_sync(Shelf.of, rule)
        await self._worded(shelf)

    async def _worded(self, shelf: Shelf) -> bool:
        """Whether it is known what files of this rule are to be sent as; what waits is worded anew if that changed."""
        if not shelf.snapshot or shelf.rule.files:
            shelf.usable = await follow_references(self._context, shelf)
        if not shelf.usable:
            return False
        if shelf.reworded:
            shelf.reworded = False
            await refresh_ready(self._context, shelf)
        return True

    async def _listen(self, watcher: Watcher) -> None:
        """Turn what the watcher noticed into looks. Its own ills are facts to sweep on."""
        while True:
            changes = await watcher.wait(LONGEST_NAP)
            self._note(changes)
            for trouble in await watcher.audit():
                log.warning(trouble.message, action="watch.trouble", ill=trouble.ill, path=trouble.path)
            self._context.bells.intake.ring()

    def _note(self, changes: Changes) -> None:
        if changes.everything:
            for shelf in self._shelves.values():
                shelf.sweep_due, shelf.deaf = 0.0, True
        for paths, deep in ((changes.folders, False), (changes.trees, True)):
            for path in paths:
                for name, shelf in self._shelves.items():
                    root = shelf.rule.watch
                    if path == root and deep:
                        # A root armed anew. Before its first sweep there is nothing to catch up with.
                        shelf.deaf = True
                        shelf.sweep_due = 0.0 if shelf.swept else shelf.sweep_due
                    elif path == root or path.startswith(f"{root}/"):
                        self._context.looks.append(Look(name, path[len(root) + 1 :], deep))

    async def _follow_hints(self) -> None:
        now = self._context.clock.now()
        if now >= self._facts_due:
            self._facts_due = now + FACTS
            for row in await self._context.store.read(lambda connection: connection.all("to_look_at", limit=100)):
                self._context.looks.append(Look(row["rule"], os.fsdecode(row["folder"])))
        ready = [look for due, look in self._second_looks if due <= now]
        self._second_looks = [entry for entry in self._second_looks if entry[0] > now]
        self._context.looks.extend(ready)
        done: set[Look] = set()
        for _ in range(min(LOOKS_PER_TURN, len(self._context.looks))):
            look = self._context.looks.popleft()
            shelf = self._shelves.get(look.rule)
            if shelf is None or not shelf.opened or look in done or shelf.matcher.prunes(look.folder):
                continue
            done.add(look)
            shelf.suspects.heard(look.folder, deep=look.deep)
            await self._looking.tree(shelf, look.folder, deep=look.deep)
            if look.deep and look not in ready:
                self._second_looks.append((now + SECOND_LOOK, look))

    async def _accept(self, shelf: Shelf) -> int:
        if not await self._worded(shelf):
            return 0
        ready = await self._accepting.due(shelf)
        if ready:
            self._sealing.arrived(shelf.snapshot)
        return ready
