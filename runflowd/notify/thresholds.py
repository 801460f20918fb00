"""What was spent, what failed, what waits for a decision: looked up, and sent when a threshold is crossed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from runflowd.core.notices import (
    Kind,
    budget_mark,
    budget_message,
    digest_message,
    failures_message,
    unknown_message,
    unknown_needs_message,
)
from runflowd.core.periods import day_begins, latest_time_of_day
from runflowd.store.notices import day_facts, failed_since, in_doubt, mark_of, send, set_mark
from runflowd.store.reserving import current_period
from runflowd.store.spending import spent_today

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.config import Notify
    from runflowd.core.money import Money
    from runflowd.core.notices import Message
    from runflowd.store import Connection
    from runflowd.store.notices import Audience


def threshold_events(
    connection: Connection, notify: Notify, money: Money, now: float
) -> list[tuple[Kind, str | None, Message | None]]:
    """What to remember of each threshold that changed, and the message about it, if one is to be sent.

    Reads only; `now` is epoch seconds. None to remember means that the threshold can be reached anew.
    """
    return [
        *_budget(connection, money, now),
        *_failures(connection, notify, now),
        *_doubt(connection, now),
        *_digest(connection, notify, money, now),
    ]


def record(
    connection: Connection, found: list[tuple[Kind, str | None, Message | None]], audience: Audience, now: float
) -> None:
    """Record what `threshold_events` found, marks and messages in one transaction, so that nothing is sent twice."""
    for kind, mark, message in found:
        set_mark(connection, kind, mark, now)
        if message is not None:
            send(connection, message, audience, now)


def _budget(connection: Connection, money: Money, now: float) -> Iterator[tuple[Kind, str | None, Message | None]]:
    if money.budget.per_day is None:
        return
    day, spent = current_period(connection, money, now), spent_today(connection, money, now)
    mark, last = budget_mark(spent.total, money.budget.per_day, day), mark_of(connection, Kind.BUDGET)
    if mark is not None and (last is None or last[1] != mark):
        begun = day_begins(day, money.zone)
        yield Kind.BUDGET, mark, budget_message(spent.total, spent.estimated, money.budget, day, begun)


def _failures(connection: Connection, notify: Notify, now: float) -> Iterator[tuple[Kind, str | None, Message | None]]:
    if not notify.failures:
        return
    count = failed_since(connection, now - notify.within)
    last = mark_of(connection, Kind.FAILURES) is not None
    if count >= notify.failures and not last:
        yield Kind.FAILURES, "reached", failures_message(count, notify.failures, notify.within, now)
    if count < notify.failures and last:
        yield Kind.FAILURES, None, None


def _doubt(connection: Connection, now: float) -> Iterator[tuple[Kind, str | None, Message | None]]:
    count, newest = in_doubt(connection)
    found = mark_of(connection, Kind.UNKNOWN)
    if count and unknown_needs_message((found[0], json.loads(found[1])) if found else None, newest, now):
        yield Kind.UNKNOWN, json.dumps(newest), unknown_message(count, newest)
    if not count and found:
        yield Kind.UNKNOWN, None, None


def _digest(
    connection: Connection, notify: Notify, money: Money, now: float
) -> Iterator[tuple[Kind, str | None, Message | None]]:
    """The first one comes when its time of day does for the first time since it was asked for."""
    last = mark_of(connection, Kind.DIGEST)
    if notify.digest is None:
        if last:
            yield Kind.DIGEST, None, None
        return
    due = latest_time_of_day(notify.digest, now, money.zone)
    if last is None:
        yield Kind.DIGEST, json.dumps(due), None
    elif json.loads(last[1]) < due:
        facts = day_facts(connection, last[0])
        yield Kind.DIGEST, json.dumps(due), digest_message(facts, last[0])
