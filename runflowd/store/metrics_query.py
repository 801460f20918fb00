"""What the metrics ask of the state file: counts that an index answers, and what was bought lately."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import BatchState, ItemState
from runflowd.store.duties import in_hand
from runflowd.store.hosts import hosts
from runflowd.store.pauses import pauses
from runflowd.store.reports import count_files, incidents, overdue
from runflowd.store.spending import spent_today
from runflowd.store.verdicts import count_to_review

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.core.money import Money
    from runflowd.store.connection import Connection, Row
    from runflowd.store.pauses import Pause
    from runflowd.store.reports import Incident, Overdue


@dataclass(frozen=True, slots=True)
class Bought:
    """An item that was paid for and has ended, done or not. Times are seconds.

    `pick_up` is from rest to purchase, `turn_around` from rest to a result in place; None where it has none.
    """

    id: int
    rule: str
    cost: Decimal
    ended_at: float
    pick_up: float | None
    turn_around: float | None


@dataclass(frozen=True, slots=True)
class Measures:
    """One look at the state file."""

    items: dict[str, dict[ItemState, int]]
    batches: dict[BatchState, int]
    overdue: tuple[Overdue, ...]
    incidents: tuple[Incident, ...]
    spent_today: Decimal
    pauses: tuple[Pause, ...] = ()
    to_review: Mapping[str, int] = field(default_factory=dict)
    hosts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Batches and files in hand, by the name of the host."""


def take_measures(connection: Connection, money: Money, now: float) -> Measures:
    """Count items, open batches and incidents, and sum what was spent today; `now` is epoch seconds."""
    rows = connection.all("open_batch_counts")
    found = {BatchState(row["state"]): int(row["count"]) for row in rows}
    return Measures(
        items=count_files(connection),
        batches={state: found.get(state, 0) for state in (BatchState.SEALED, BatchState.SUBMITTED, BatchState.UNKNOWN)},
        overdue=tuple(overdue(connection)),
        incidents=tuple(incidents(connection)),
        spent_today=spent_today(connection, money, now).total,
        pauses=tuple(pauses(connection)),
        to_review=count_to_review(connection),
        hosts=_hosts(connection, now),
    )


def _hosts(connection: Connection, now: float) -> dict[str, tuple[int, int]]:
    batches, files = in_hand(connection)
    return {each.name: (batches[each.session], files[each.session]) for each in hosts(connection, now) if each.alive}


def bought_since(connection: Connection, since: float, limit: int, currency: str) -> list[Bought]:
    """Items that were paid for and ended at or after `since` (epoch seconds), oldest first.

    What was charged in another currency counts as an item without a cost.
    """
    return [_bought(row) for row in connection.all("bought_since", since=since, limit=limit, currency=currency)]


def _bought(row: Row) -> Bought:
    done = row["state"] == ItemState.DONE
    return Bought(
        id=row["id"],
        rule=row["rule"],
        cost=Decimal(row["cost"]),
        ended_at=row["ended_at"],
        pick_up=_between(row["ready_at"], row["submitted_at"]),
        turn_around=_between(row["ready_at"], row["ended_at"]) if done else None,
    )


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, end - start)
