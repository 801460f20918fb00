"""Sealing: which ready items become a batch now, and when to ask again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from runflowd.core.batching import Group, due, next_deadline
from runflowd.pipeline.intake.holds import Holds
from runflowd.pipeline.intake.parked_files import ParkedFiles
from runflowd.pipeline.price_reader import needs_price
from runflowd.store.reserving import allowed
from runflowd.store.sealing import Sealed, next_items, seal
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import Collection

    from runflowd.core.model import Rule
    from runflowd.core.money import Allowance, Price
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.intake.watched_rule import WatchedRule
    from runflowd.store import Connection
    from runflowd.store.connection import Row

log = structlog.get_logger()

PRICE_TIMEOUT = 60.0
"""Seconds that a first purchase waits for the catalogue to say what it costs; then what was charged of late counts."""


class BatchSealer:
    """Keeps the monotonic times of each group of ready items; counts and sizes are the store's."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._times: dict[str, tuple[float, float]] = {}
        self._holds = Holds(context)
        self._parked_files = ParkedFiles(context)
        self._parked: list[Row] = []
        self.deadline: float | None = None

    def arrived(self, snapshot: str) -> None:
        """Items became ready under this rule text: its quiet time starts anew."""
        now = self._context.clock.now()
        self._times[snapshot] = (self._times.get(snapshot, (now, now))[0], now)

    async def turn(self, watched_rules: Collection[WatchedRule]) -> int:
        """Seal every group that is due; give how many batches were made."""
        present = {each.text.snapshot: each for each in watched_rules if each.text.snapshot}
        await self._parked_files.renew()
        groups = await self._groups(present, watched_rules)
        self._times = {group.key: (group.oldest, group.newest) for group in groups}
        await self._holds.keep({present[group.key].rule.name for group in groups})
        sealed = 0
        tried = due(self._free(groups, present), self._context.clock.now())
        for group in tried:
            sealed += await self._seal(present[group.key], group)
        groups = await self._groups(present, watched_rules) if tried else groups
        times = (next_deadline(self._free(groups, present)), self._holds.deadline())
        self.deadline = min((time for time in times if time is not None), default=None)
        await self._parked_files.report(self._parked)
        if sealed:
            self._context.stage_events.dispatch.notify()
        return sealed

    def _free(self, groups: list[Group], present: dict[str, WatchedRule]) -> list[Group]:
        """The groups that no limit of money holds, and whose price was looked for."""
        found = [(group, present[group.key].rule) for group in groups]
        return [group for group, rule in found if self._holds.free(rule.name) and self._is_priced(group, rule)]

    def _is_priced(self, group: Group, rule: Rule) -> bool:
        """Whether the catalogue was asked about a price that counts, or the answer has been waited for long enough."""
        context = self._context
        if rule.model in context.priced or not needs_price(context, rule):
            return True
        return context.clock.now() - group.oldest >= PRICE_TIMEOUT

    async def _groups(self, present: dict[str, WatchedRule], watched_rules: Collection[WatchedRule]) -> list[Group]:
        """The groups that may be sealed. Items left under an older text of a rule are marked to be rebuilt."""

        def read(connection: Connection) -> tuple[list[Row], list[Row]]:
            return connection.all("ready_groups"), connection.all("parked")

        rows, self._parked = await self._context.store.read(read)
        now = self._context.clock.now()
        groups: list[Group] = []
        for row in rows:
            if watched := present.get(row["snapshot"]):
                oldest, newest = self._times.get(row["snapshot"], (now, now))
                groups.append(Group(row["snapshot"], row["count"], row["bytes"], oldest, newest, watched.rule.batch))
            else:
                for other in watched_rules:
                    if other.rule.name == row["rule"]:
                        other.text = other.text.outdated()
        return groups

    async def _is_still_held(self, rule: Rule, group: Group) -> bool:
        """Whether nothing of a rule that is held fits its limits yet, found without writing anything."""
        if rule.name not in self._holds:
            return False
        money, service, now = self._context.money, self._context.service.name, self._context.clock.wall()

        def look(connection: Connection) -> tuple[Allowance, list[Price | None]]:
            numbers = next_items(connection, group.key, rule.batch)
            return allowed(connection, numbers, rule=rule.name, model=rule.model, service=service, money=money, now=now)

        found, prices = await self._context.store.read(look)
        if found.bought or found.dear or found.hold is None:
            return False
        await self._holds.hold(rule.name, found.hold, group.count, prices[0])
        return True

    async def _seal(self, watched: WatchedRule, group: Group) -> int:
        rule, service, now = watched.rule, self._context.service.name, self._context.clock.wall()
        money = self._context.money
        if await self._is_still_held(rule, group):
            return 0

        def write(connection: Connection) -> Sealed:
            return seal(
                connection,
                snapshot=group.key,
                rule=rule.name,
                model=rule.model,
                service=service,
                limits=rule.batch,
                now=now,
                money=money,
            )

        sealed = await self._context.store.write(write)
        reach("batch.sealed")
        # What was left behind is not new: it goes on waiting from now, at most another quiet time.
        moment = self._context.clock.now()
        self._times[group.key] = (moment, self._times.get(group.key, (moment, moment))[1])
        if sealed.hold is not None:
            left = group.count - sealed.count - sealed.parked
            await self._holds.hold(rule.name, sealed.hold, left, sealed.price)
        else:
            await self._holds.release([rule.name])
        if sealed.batch is None:
            return 0
        log.info("sealed", action="batch.sealed", rule=rule.name, batch=sealed.batch, items=sealed.count)
        return 1
