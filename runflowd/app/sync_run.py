"""`runflowd sync`: everything pending, once; then it is done."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from runflowd.app.engine import open_engine, run_stages
from runflowd.core.approval import APPROVAL_NEEDED
from runflowd.core.incident_scope import CREDIT, SERVICE, ScopeKind
from runflowd.core.lifecycle import IN_FLIGHT, ItemState
from runflowd.core.money import BUDGET_REACHED, FILE_TOO_EXPENSIVE, PRICE_UNKNOWN
from runflowd.core.other_currency import OTHER_CURRENCY
from runflowd.core.printable import short_id
from runflowd.observability.incidents import IncidentReport
from runflowd.pipeline.error_scopes import HELD_UP
from runflowd.pipeline.io_guard import Role
from runflowd.pipeline.track.elsewhere import CODE as OTHER_SERVICE
from runflowd.store.batches import batch_from
from runflowd.store.pauses import EVERY_RULE, Pause, pauses
from runflowd.store.reports import elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runflowd.app.engine import Engine
    from runflowd.config import Config
    from runflowd.store import Connection
    from runflowd.store.reports import Elsewhere

HOLD_PATIENCE = 12.0
"""More than twice the interval at which what limits of money hold is tried again (`pipeline.intake.holds`)."""

TROUBLES = 20
"""Open batches at most of which it is told what keeps them from getting on."""

CHECK_INTERVAL = 0.1
"""Seconds between two looks at how far things are."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How many items of each rule are in each state, how many files wait to become stable, and what is wrong."""

    counts: dict[str, dict[ItemState, int]]
    settling: int
    incidents: tuple[IncidentReport, ...]
    elsewhere: Mapping[tuple[str, ItemState], int] = field(default_factory=dict)
    """How many of these items, by their rule and state, are at a service that is not asked any more."""
    troubles: tuple[str, ...] = ()
    """What kept open batches from getting on at their last try, where it is their own; they are tried again."""

    def total(self, *states: ItemState) -> int:
        """Items of all rules in the given states."""
        return sum(count for counts in self.counts.values() for state, count in counts.items() if state in states)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a one-shot run ended. Items that were finished before it are not counted."""

    progress: Progress
    blocked: bool


async def run_once(config: Config, show: Callable[[Progress], None]) -> Outcome:
    """Process everything pending and return. `blocked` when an incident kept some of it from being done."""
    async with open_engine(config) as engine, anyio.create_task_group() as group:
        outcome: list[Outcome] = []

        async def follow() -> None:
            outcome.append(await _follow(engine, show))
            engine.stop()
            if engine.context.io.unresponsive(Role.WRITTEN):
                group.cancel_scope.cancel()  # what is in hand waits for a folder that does not answer
                engine.detach()

        group.start_soon(follow)
        await run_stages(engine, watch=False)
        group.cancel_scope.cancel()
    return outcome[0]


async def _follow(engine: Engine, show: Callable[[Progress], None]) -> Outcome:
    held_since: float | None = None
    while True:
        await anyio.sleep(CHECK_INTERVAL)
        idle_before = engine.intake.idle
        progress, unnoted = await look(engine)
        show(progress)
        held = _held(progress)
        held_since = (held_since or anyio.current_time()) if held else None
        if held_since is not None and anyio.current_time() - held_since < _timeout(progress):
            continue
        if idle_before and engine.intake.idle and (held or not (progress.total(*IN_FLIGHT) or unnoted)):
            asked = any(report.code == APPROVAL_NEEDED for report in progress.incidents)
            return Outcome(progress, held and (asked or progress.total(*IN_FLIGHT) > 0))


_FOR_A_PERSON = frozenset(
    {"UNAUTHORIZED", "OUT_OF_CREDIT", "NO_SPACE", "MODEL_NOT_FOUND", "RULE_REFUSED", "PAUSED"}
    | {"WATCH_TIMEOUT", "OUTPUT_CHANGED", "OUTPUT_TIMEOUT", "OUTPUT_UNUSABLE"}
    | {OTHER_SERVICE, BUDGET_REACHED, FILE_TOO_EXPENSIVE, OTHER_CURRENCY, PRICE_UNKNOWN, APPROVAL_NEEDED}
)
"""Incidents that only the operator can end."""


def _timeout(progress: Progress) -> float:
    """Seconds that a hold must last: what a limit of money holds is tried again once something was settled."""
    held = {report.code for report in progress.incidents if report.scope.kind is ScopeKind.BUDGET}
    return HOLD_PATIENCE if held - {APPROVAL_NEEDED} else 0.0


_UNSEALED = frozenset({ItemState.READY, ItemState.DUPLICATE})
_UNSENT = _UNSEALED | {ItemState.QUEUED}


_OF_A_PART = frozenset({ScopeKind.PAUSE, ScopeKind.WATCH, ScopeKind.BUDGET, ScopeKind.PER_FILE, ScopeKind.ELSEWHERE})
"""Kinds of scope that cover a part of what a rule has in flight."""


def _held(progress: Progress) -> bool:
    """Whether all that is still in flight waits for the operator: a key, credit, a disk, a rule.

    What a held rule or an empty account does not cover is waited for.
    """
    scopes = {report.scope for report in progress.incidents if report.code in _FOR_A_PERSON}
    if not scopes or SERVICE in scopes:
        return bool(scopes)
    unsent = {
        rule
        for rule in progress.counts
        if scopes
        & {
            CREDIT,
            ScopeKind.PAUSE.of(rule),
            ScopeKind.PAUSE.of(EVERY_RULE),
            ScopeKind.WATCH.of(rule),
        }
    }
    unsealed = {rule for rule in progress.counts if scopes & {ScopeKind.BUDGET.of(rule), ScopeKind.PER_FILE.of(rule)}}
    rules = {scope.name for scope in scopes if scope.name and scope.kind not in _OF_A_PART}
    return all(
        count <= progress.elsewhere.get((rule, state), 0)
        or state not in IN_FLIGHT
        or rule in rules
        or (rule in unsent and state in _UNSENT)
        or (rule in unsealed and state in _UNSEALED)
        for rule, counts in progress.counts.items()
        for state, count in counts.items()
    )


async def look(engine: Engine) -> tuple[Progress, int]:
    """How far things are, for the rules in force, and how many failures need a note, or files a receipt, still."""
    rules, service = engine.context.rules, engine.context.service.name

    def read(
        connection: Connection,
    ) -> tuple[dict[str, dict[ItemState, int]], int, list[Pause], list[Elsewhere], tuple[str, ...]]:
        counts: dict[str, dict[ItemState, int]] = {name: {} for name in rules}
        for row in connection.all("count_states"):
            if row["rule"] in counts:
                counts[row["rule"]][ItemState(row["state"])] = row["count"]
        left = sum(connection.all(name)[0]["count"] for name in ("unnoted_left", "receipts_left", "verdicts_left"))
        return counts, left, pauses(connection), elsewhere(connection, service), _troubles(connection)

    counts, unnoted, paused, others, troubles = await engine.context.store.read(read)
    held = tuple(_as_report(each) for each in paused if each.rule in {EVERY_RULE, *rules})
    incidents = (*engine.context.incidents.snapshot(), *held)
    there: Counter[tuple[str, ItemState]] = Counter()
    for found in others:
        there.update({(found.rule, state): count for state, count in found.files.items()})
    return Progress(counts, engine.intake.waiting, incidents, there, troubles), unnoted


def _troubles(connection: Connection) -> tuple[str, ...]:
    batches = map(batch_from, connection.all("open_batches", limit=TROUBLES))
    return tuple(
        f"rule {batch.rule}, batch {short_id(batch.id)}: {batch.failure}"
        for batch in batches
        if batch.failure and not batch.failure.startswith(HELD_UP)
    )


def _as_report(pause: Pause) -> IncidentReport:
    message = f"{pause.subject} is paused" + (f": {pause.reason}" if pause.reason else "")
    return IncidentReport(ScopeKind.PAUSE.of(pause.rule), "PAUSED", message, pause.remedy)
