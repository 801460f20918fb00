"""Sealing: which ready items become a batch now, and when to ask again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from runflowd.core.batching import Group, due, next_deadline
from runflowd.store.sealing import seal
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import Collection

    from runflowd.pipeline.context import Context
    from runflowd.pipeline.intake.rule_state import RuleState
    from runflowd.store import Connection

log = structlog.get_logger()


class BatchSealer:
    """Keeps the monotonic times of each group of ready items; counts and sizes are the store's."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._times: dict[str, tuple[float, float]] = {}
        self.deadline: float | None = None

    def arrived(self, snapshot: str) -> None:
        """Items became ready under this rule text: its quiet time starts anew."""
        now = self._context.clock.now()
        self._times[snapshot] = (self._times.get(snapshot, (now, now))[0], now)

    async def turn(self, rule_states: Collection[RuleState]) -> int:
        """Seal every group that is due; give how many batches were made."""
        present = {rule_state.snapshot: rule_state for rule_state in rule_states if rule_state.snapshot}
        groups = await self._groups(present, rule_states)
        self._times = {group.key: (group.oldest, group.newest) for group in groups}
        sealed = 0
        for group in due(groups, self._context.clock.now()):
            sealed += await self._seal(present[group.key], group)
        self.deadline = next_deadline(await self._groups(present, rule_states) if sealed else groups)
        if sealed:
            self._context.stage_events.dispatch.notify()
        return sealed

    async def _groups(self, present: dict[str, RuleState], rule_states: Collection[RuleState]) -> list[Group]:
        """The groups that may be sealed. Items left under an older text of a rule are marked to be rebuilt."""
        rows = await self._context.store.read(lambda connection: connection.all("ready_groups"))
        now = self._context.clock.now()
        groups: list[Group] = []
        for row in rows:
            if rule_state := present.get(row["snapshot"]):
                oldest, newest = self._times.get(row["snapshot"], (now, now))
                groups.append(Group(row["snapshot"], row["count"], row["bytes"], oldest, newest, rule_state.rule.batch))
            else:
                for other in rule_states:
                    other.inputs_stale |= other.rule.name == row["rule"]
        return groups

    async def _seal(self, rule_state: RuleState, group: Group) -> int:
        rule, service, now = rule_state.rule, self._context.service.name, self._context.clock.wall()

        def write(connection: Connection) -> str | None:
            return seal(
                connection,
                snapshot=group.key,
                rule=rule.name,
                model=rule.model,
                service=service,
                limits=rule.batch,
                now=now,
            )

        batch = await self._context.store.write(write)
        reach("batch.sealed")
        # What was left behind is not new: it goes on waiting from now, at most another quiet time.
        moment = self._context.clock.now()
        self._times[group.key] = (moment, self._times.get(group.key, (moment, moment))[1])
        if batch is None:
            return 0
        log.info(
            "sealed", action="batch.sealed", rule=rule.name, batch=batch, items=min(group.count, rule.batch.max_items)
        )
        return 1
