"""The intake loop: hints and deadlines in, ready items and sealed batches out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import structlog

from runflowd.bell import Bell
from runflowd.context import LONGEST_NAP, Context
from runflowd.core.chains import own_outputs
from runflowd.core.undeliverable import recipe_of
from runflowd.errors import StoreError
from runflowd.files import SharedScans
from runflowd.filesystems import follows_events
from runflowd.intake.accept import Accepting
from runflowd.intake.hints import Hints
from runflowd.intake.look import Looking
from runflowd.intake.references import follow_references
from runflowd.intake.refresh import refresh_ready
from runflowd.intake.seal import Sealing
from runflowd.intake.shelf import Shelf
from runflowd.intake.sweep import Sweeping, tell_silence
from runflowd.store.pauses import resume_edited
from runflowd.watch import Watcher

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyio.abc import TaskGroup

    from runflowd.core.model import Rule

log = structlog.get_logger()

TURN = 1.0
"""Seconds that a turn waits for its rules; whoever takes longer is not waited for."""

STORE_PAUSE = 5.0
"""Seconds until what could not be written or read is tried again."""

REFERENCE_LOOK = 5.0
"""Seconds between two looks for a reference file that is not there."""

REBUILD_PAUSE = 3600.0
"""Seconds between two times that the watcher is started anew because events were missed: it may be of no use."""


class Intake:
    """Stage one. What it holds in memory is found again by the next sweep."""

    def __init__(self, context: Context) -> None:
        self._context = context
        looking = Looking(context)
        self._hints = Hints(context, looking)
        self._sweeping = Sweeping(context, looking)
        self._accepting = Accepting(context)
        self._sealing = Sealing(context)
        self._shelves: dict[str, Shelf] = {}
        self._rules: dict[str, Rule] | None = None
        self._attended = Bell()
        self._placed = Bell()
        self._armed = Bell()
        self._auditing = False
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
        """Whether every folder that answers was swept and no file is waiting for rest; for `sync`."""
        return (
            self._rules is self._context.rules
            and not self._context.looks
            and all(shelf.idle or shelf.asking.told for shelf in self._shelves.values())
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
                group.start_soon(self._listen, watcher, group)
                group.start_soon(self._arm, watcher)
            while not self._stopping:
                self._context.beat("intake")
                try:
                    nap = await self._turn(group)
                except StoreError as trouble:
                    self._context.storms.error(str(trouble), action="store.failed", stage="intake")
                    nap = STORE_PAUSE
                await self._context.bells.intake.wait(nap)
            group.cancel_scope.cancel()

    async def _turn(self, group: TaskGroup) -> float:
        if self._rules is not self._context.rules:
            await self._follow_rules(group)
        await self._hints.deal(self._shelves)
        now = self._context.clock.now()
        due = {shelf.rule.watch for shelf in self._shelves.values() if not shelf.sweeping and shelf.sweep_due <= now}
        for shelf in self._shelves.values():
            if not shelf.sweeping and shelf.rule.watch in due:
                shelf.sweeping = True
                shelf.sweep_since = shelf.scans.begun if shelf.scans else 0
                shelf.hears, shelf.deaf, shelf.again = self._hears(shelf), False, False
                group.start_soon(self._sweeping.sweep, shelf)
        more = await self._attend_all(group)
        self._tell_missed(now, group)
        await self._sealing.turn(list(self._shelves.values()))
        return 0.0 if more else self._nap()

    async def _attend_all(self, group: TaskGroup) -> bool:
        """Let every rule take what rests, beside each other; say whether there is more to do at once.

        A rule whose folder is slow or silent is not waited for. It rings when it is done.
        """
        begun = [shelf for shelf in self._shelves.values() if not shelf.attended]
        together: dict[str, list[Shelf]] = {}
        for shelf in begun:
            shelf.attended = True
            shelf.look_since = shelf.scans.begun if shelf.scans else 0
            together.setdefault(shelf.rule.watch, []).append(shelf)
        for shelves in together.values():
            group.start_soon(self._attend_together, shelves)
        with anyio.move_on_after(TURN):
            while any(shelf.attended for shelf in begun):
                await self._attended.wait(TURN)
        for shelf in self._shelves.values():
            shelf.late = shelf.attended
            await tell_silence(self._context, shelf)
        return any(shelf.more for shelf in begun if not shelf.late)

    async def _attend_together(self, shelves: list[Shelf]) -> None:
        """Rules over one folder go one after the other: what the first has read, the others need not read."""
        for shelf in shelves:
            await self._attend(shelf)

    async def _attend(self, shelf: Shelf) -> None:
        """Look where hints of this rule point, and take what has come to rest: a page of each."""
        try:
            await self._hints.follow(shelf)
            ready = await self._accept(shelf)
            shelf.more = bool(ready or shelf.looks)
        except StoreError as trouble:
            self._context.storms.error(str(trouble), action="store.failed", stage="intake")
            await anyio.sleep(STORE_PAUSE)
        shelf.attended = False
        self._attended.ring()
        if shelf.late:
            self._context.bells.intake.ring()

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

    def _tell_missed(self, now: float, group: TaskGroup) -> None:
        """Count the files that no event told of, and start the watcher anew: it may be deaf without knowing."""
        if self._context.looks:
            return  # what is still to be looked at may be what an event told of
        for shelf in self._shelves.values():
            if shelf.looks or not (count := shelf.suspects.judge(now)):
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
                group.start_soon(self.watcher.rebuild)

    def _nap(self) -> float:
        """Seconds until something is due by itself. Whoever is late rings when done."""
        deadlines = [shelf.sweep_due for shelf in self._shelves.values() if not shelf.sweeping]
        for shelf in self._shelves.values():
            rested = None if shelf.late else shelf.settling.next_deadline()
            if rested is not None:
                # Without its references a rule accepts nothing, however long its files have rested.
                deadlines.append(rested if shelf.usable else max(rested, self._context.clock.now() + REFERENCE_LOOK))
        deadlines += self._hints.deadlines()
        deadlines += [shelf.suspects.due for shelf in self._shelves.values() if shelf.suspects.due is not None]
        deadlines += [self._sealing.deadline] if self._sealing.deadline is not None else []
        now = self._context.clock.now()
        return min(LONGEST_NAP, max(0.0, min((deadline - now for deadline in deadlines), default=LONGEST_NAP)))

    async def _follow_rules(self, group: TaskGroup) -> None:
        """The configuration was swapped: rules that stayed the same keep what they know.

        How a new one is watched is asked of its folder, which may not answer: then the others go on without it.
        """
        rules = self._context.rules
        for name in self._shelves.keys() - rules.keys():
            del self._shelves[name]
        for name, rule in rules.items():
            if name not in self._shelves or self._shelves[name].rule != rule:
                self._shelves[name] = Shelf.of(rule, self._context.io.watched(rule))
                group.start_soon(self._place, self._shelves[name])
        for shelf in self._shelves.values():
            shared = [each.scans for each in self._shelves.values() if each.rule.watch == shelf.rule.watch]
            shelf.scans = next(filter(None, shared), SharedScans()) if len(shared) > 1 else None
        self._rules = rules
        await self._resume_edited(rules)
        self._placed.ring()
        with anyio.move_on_after(TURN):
            while self._unarmed():
                await self._armed.wait(TURN)

    def _unarmed(self) -> bool:
        """Whether a rule is not watched yet as it is to be."""
        roots = self._by_events()
        watched = roots if self.watcher is None else self.watcher.roots
        return roots != watched or not all(shelf.placed for shelf in self._shelves.values())

    def _by_events(self) -> frozenset[str]:
        return frozenset(shelf.rule.watch for shelf in self._shelves.values() if shelf.by_events)

    async def _place(self, shelf: Shelf) -> None:
        """Find out whether events tell of changes in a rule's folder; until it answers, it is swept."""
        shelf.by_events = await shelf.asking.ask(follows_events, shelf.rule)
        shelf.placed = True
        self._placed.ring()
        self._armed.ring()

    async def _arm(self, watcher: Watcher) -> None:
        """Watch the folders that events tell of, as often as those become others."""
        while True:
            if await self._placed.wait(LONGEST_NAP):
                await watcher.set_roots(self._by_events(), ignore=own_outputs(self._context.rules.values()))
                self._armed.ring()

    async def _resume_edited(self, rules: Mapping[str, Rule]) -> None:
        """A rule that was stopped for what it bought goes on once it buys something else."""
        recipes, now = {name: recipe_of(rule) for name, rule in rules.items()}, self._context.clock.wall()
        for name in await self._context.store.write(lambda connection: resume_edited(connection, recipes, now)):
            log.info("goes on after an edit", action="rule.resumed", rule=name)
            self._context.bells.dispatch.ring()

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

    async def _listen(self, watcher: Watcher, group: TaskGroup) -> None:
        """Turn what the watcher noticed into looks, and let it look after itself meanwhile."""
        while True:
            changes = await watcher.wait(LONGEST_NAP)
            self._hints.note(changes, self._shelves)
            if not self._auditing:
                self._auditing = True
                group.start_soon(self._audit, watcher)
            self._context.bells.intake.ring()

    async def _audit(self, watcher: Watcher) -> None:
        """Its own ills are facts to sweep on. A root that does not answer is waited for here, and by no hint."""
        for trouble in await watcher.audit():
            log.warning(trouble.message, action="watch.trouble", ill=trouble.ill, path=trouble.path)
        self._auditing = False
        self._context.bells.intake.ring()

    async def _accept(self, shelf: Shelf) -> int:
        if not await self._worded(shelf):
            return 0
        ready = await self._accepting.due(shelf)
        if ready:
            self._sealing.arrived(shelf.snapshot)
        return ready
