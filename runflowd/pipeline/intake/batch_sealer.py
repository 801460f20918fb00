"""Sealing: which ready items become a batch now, and when to ask again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from runflowd.core.approval import APPROVAL_NEEDED, may_exceed
from runflowd.core.batching import Group, due, next_deadline
from runflowd.core.model import LOCAL
from runflowd.core.undeliverable import recipe_of
from runflowd.pipeline.intake.holds import Holds
from runflowd.pipeline.intake.parked_files import ParkedFiles
from runflowd.pipeline.price_reader import needs_price
from runflowd.store.approvals import approval_of
from runflowd.store.reserving import Purchase, Verdict, allowed, waiting_files
from runflowd.store.sealing import Sealed, next_items, seal
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import Collection

    from runflowd.core.model import Rule
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.intake.watched_rule import WatchedRule
    from runflowd.store import Connection
    from runflowd.store.connection import Row

log = structlog.get_logger()

PRICE_TIMEOUT = 60.0
"""Seconds that a first purchase waits for the catalogue to say what it costs; then what was charged of late counts."""

GATHER_INTERVAL = 1.0
"""Seconds between two looks at whether all files that come at once are there."""

COUNT_TIMEOUT = 60.0
"""Seconds that an approval is asked for later at most, so that the number of all files can be said."""

GATHER_TIMEOUT = 600.0
"""Seconds that ready files wait at most for others that may make a crowd of them."""


class BatchSealer:
    """Keeps the monotonic times of each group of ready items; counts and sizes are the store's."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._times: dict[str, tuple[float, float]] = {}
        self._gathering: dict[str, float] = {}
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
        self._gathering = {key: at for key, at in self._gathering.items() if key in self._times}
        await self._holds.keep({present[group.key].rule.name for group in groups})
        sealed = 0
        tried = due(self._free(groups, present), self._context.clock.now())
        for group in tried:
            sealed += await self._seal(present[group.key], group)
        groups = await self._groups(present, watched_rules) if tried else groups
        now = self._context.clock.now()
        gathered = (at for at in self._gathering.values() if at > now)
        times = (next_deadline(self._free(groups, present)), self._holds.deadline(), *gathered)
        self.deadline = min((time for time in times if time is not None), default=None)
        await self._parked_files.report(self._parked)
        if sealed:
            self._context.stage_events.dispatch.notify()
        return sealed

    def _free(self, groups: list[Group], present: dict[str, WatchedRule]) -> list[Group]:
        """The groups that nothing holds, and whose price was looked for."""
        now = self._context.clock.now()
        found = [(group, present[group.key].rule) for group in groups if self._gathering.get(group.key, now) <= now]
        return [group for group, rule in found if self._holds.free(rule.name) and self._is_priced(group, rule)]

    def _is_priced(self, group: Group, rule: Rule) -> bool:
        """Whether the catalogue was asked about a price that counts, or the answer has been waited for long enough."""
        context = self._context
        if rule.model in context.priced or not needs_price(context, rule):
            return True
        return context.clock.now() - group.oldest >= PRICE_TIMEOUT

    async def _groups(self, present: dict[str, WatchedRule], watched_rules: Collection[WatchedRule]) -> list[Group]:
        """The groups that may be sealed. Items left under an older text of a rule are marked to be rebuilt."""

        def read(connection: Connection) -> tuple[list[Row], list[Row], list[Row]]:
            return connection.all("ready_groups"), connection.all("parked"), connection.all("crowded_rules")

        rows, self._parked, crowded = await self._context.store.read(read)
        if crowded:
            await self._forget_crowds({row["rule"] for row in crowded} - {row["rule"] for row in rows}, watched_rules)
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

    async def _is_still_held(self, purchase: Purchase, group: Group) -> bool:
        """Whether nothing of a rule that is held may be bought yet, found without writing anything."""
        if purchase.rule not in self._holds:
            return False
        money, now = self._context.money, self._context.clock.wall()

        def look(connection: Connection) -> Verdict:
            return allowed(connection, next_items(connection, group.key, group.limits), purchase, money, now)

        verdict = await self._context.store.read(look)
        found, changed = verdict.found, verdict.after(money.of(purchase.rule).approve) != verdict.known
        if found.bought or found.dear or found.hold is None or changed:
            return False
        await self._holds.hold(purchase.rule, found.hold, group.count, verdict.prices[0])
        return True

    async def _gathers(self, watched: WatchedRule, group: Group, purchase: Purchase) -> bool:
        """Whether files that are not ready yet may make a crowd of those that are: then all are looked at first."""
        money, now = self._context.money, self._context.clock.wall()
        approve = money.of(purchase.rule).approve
        waited = self._context.clock.now() - group.oldest
        if purchase.whole or not approve.limits_crowds or waited > GATHER_TIMEOUT or purchase.service == LOCAL:
            return False
        known, there = await self._context.store.read(
            lambda connection: (
                approval_of(connection, purchase.rule, purchase.recipe),
                waiting_files(connection, purchase, money, now),
            )
        )
        may_come = watched.turn.rescanning or may_exceed(approve, there, len(watched.stability))
        if known.crowd is not None or known.everything or not may_come:
            return False
        self._gathering[group.key] = self._context.clock.now() + GATHER_INTERVAL
        return True

    def _is_early(self, sealed: Sealed, purchase: Purchase, group: Group) -> bool:
        """Whether files wait for an approval and more are on their way: how many is said once all are there."""
        waits = sealed.hold is not None and sealed.hold.code == APPROVAL_NEEDED
        return waits and not purchase.whole and self._context.clock.now() - group.oldest < COUNT_TIMEOUT

    async def _forget_crowds(self, empty: Collection[str], watched_rules: Collection[WatchedRule]) -> None:
        """Of these rules nothing is ready: once all of their folder was seen, what they held has gone away."""
        waits = self._context.hints.waiting
        seen = [each.rule.name for each in watched_rules if each.turn.admitted and each.idle]
        for name in (name for name in seen if name in empty and not waits(name)):
            await self._context.store.write(partial(_forget_crowd, rule=name))

    def _purchase(self, watched: WatchedRule, group: Group) -> Purchase:
        rule, waits = watched.rule, self._context.hints.waiting(watched.rule.name)
        service, whole = self._context.service.name, watched.idle and not waits
        return Purchase(group.key, rule.name, recipe_of(rule), rule.model, service, whole)

    async def _seal(self, watched: WatchedRule, group: Group) -> int:
        rule, money, now = watched.rule, self._context.money, self._context.clock.wall()
        purchase = self._purchase(watched, group)
        if await self._is_still_held(purchase, group) or await self._gathers(watched, group, purchase):
            return 0

        def write(connection: Connection) -> Sealed:
            return seal(connection, purchase, rule.batch, money, now)

        self._gathering.pop(group.key, None)
        sealed = await self._context.store.write(watched.held(write))
        reach("batch.sealed")
        early = self._is_early(sealed, purchase, group)
        if early:
            self._gathering[group.key] = self._context.clock.now() + GATHER_INTERVAL
        if sealed.batch is not None or not early:
            # What was left behind is not new: it goes on waiting from now, at most another quiet time.
            moment = self._context.clock.now()
            self._times[group.key] = (moment, self._times.get(group.key, (moment, moment))[1])
        if sealed.hold is not None and not early:
            left = group.count - sealed.count - sealed.parked
            await self._holds.hold(rule.name, sealed.hold, left, sealed.price)
        elif sealed.hold is None:
            await self._holds.release([rule.name])
        if sealed.batch is None:
            return 0
        log.info("batch sealed", action="batch.sealed", rule=rule.name, batch=sealed.batch, items=sealed.count)
        return 1


def _forget_crowd(connection: Connection, rule: str) -> None:
    connection.run("drop_crowd_that_went", rule=rule)
