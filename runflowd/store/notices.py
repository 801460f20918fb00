"""Messages to people as rows: written in the transaction of the fact they tell of, sent by somebody else later."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import IN_HANDS, ItemState
from runflowd.core.notices import (
    MAX_AGE,
    MAX_TRIES,
    RESOLVE_DELAY,
    DayFacts,
    IncidentRecord,
    Kind,
    Message,
    begun,
    ended,
    over_message,
)
from runflowd.store.reports import count_states
from runflowd.store.verdicts import count_to_review

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import TypeAlias

    from runflowd.store.connection import Connection, Row

    Audience: TypeAlias = "Callable[[Kind, str], Collection[str]]"
    """The channels that get a kind of message about a scope."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A message on its way; `key` is the same in every try, so that a receiver can tell a repetition."""

    id: int
    key: str
    channel: str
    at: float
    attempts: int
    due_at: float
    message: Message


def begin_incident(connection: Connection, message: Message, audience: Audience, now: float, delay: float) -> None:
    """An incident began, came back, or turned into another trouble: see that people hear of it once.

    It is sent after `delay` seconds, unless it is away then.
    """
    channels = audience(Kind.INCIDENT, message.scope) or audience(Kind.RESOLVED, message.scope)
    row = connection.one("story", kind=Kind.INCIDENT, scope=message.scope)
    if row is None and not channels:
        return
    unsent = connection.all("unsent_notices", scope=message.scope)
    before = _story(row) if row else None
    story, notify = begun(before, message.code, _codes(unsent), quiet=row is not None and row["over_at"] is not None)
    body = json.dumps(asdict(story))
    if row is None:
        connection.run("save_story", kind=Kind.INCIDENT, scope=message.scope, now=now, body=body)
    else:
        connection.run("change_story", id=row["id"], at=row["at"], body=body)
    if notify:
        for each in unsent:
            connection.run("drop_notice", id=each["id"])
        due_at = min((each["due_at"] for each in unsent), default=now + delay)
        send(connection, message, audience, now, due_at=due_at)


def end_incident(connection: Connection, scope: str, now: float) -> None:
    """The incident of a scope ended; whether for good, time will tell."""
    connection.run("story_ended", scope=scope, over_at=now + RESOLVE_DELAY)


def close_stories(connection: Connection, audience: Audience, now: float) -> None:
    """Tell of the end of incidents that stayed away; one whose beginning was never sent is not mentioned."""
    for row in connection.all("stories_over", now=now):
        unsent = connection.all("unsent_notices", scope=row["scope"])
        story = _story(row)
        for each in (*unsent, row):
            connection.run("drop_notice", id=each["id"])
        if ended(story, _codes(unsent)):
            send(
                connection, over_message(row["scope"], story, row["at"], row["over_at"] - RESOLVE_DELAY), audience, now
            )


def stories_are_over(connection: Connection, now: float) -> bool:
    """Whether `close_stories` has anything to do."""
    return bool(connection.all("stories_over", now=now))


def _story(row: Row) -> IncidentRecord:
    body = json.loads(row["body"])
    return IncidentRecord(tuple(body["codes"]), body["count"])


def _codes(rows: list[Row]) -> set[str]:
    return {json.loads(row["body"])["code"] for row in rows}


def mark_of(connection: Connection, kind: Kind) -> tuple[float, str] | None:
    """When a threshold was reported last (epoch seconds), and what was remembered of it."""
    row = connection.one("story", kind=kind, scope="")
    return (row["at"], json.loads(row["body"])["mark"]) if row else None


def set_mark(connection: Connection, kind: Kind, mark: str | None, now: float) -> None:
    """Remember that a threshold was reported; None forgets it."""
    row = connection.one("story", kind=kind, scope="")
    body = json.dumps({"mark": mark})
    if mark is None:
        connection.run("drop_notice", id=row["id"] if row else None)
    elif row is None:
        connection.run("save_story", kind=kind, scope="", now=now, body=body)
    else:
        connection.run("change_story", id=row["id"], at=now, body=body)


def send(connection: Connection, message: Message, audience: Audience, now: float, *, due_at: float = 0.0) -> None:
    """Write a message for every channel that is to have it, not to be sent before `due_at` (epoch seconds)."""
    for channel in audience(message.kind, message.scope):
        body = json.dumps({**asdict(message), "key": uuid.uuid4().hex})
        values = {"kind": message.kind, "scope": message.scope, "now": now, "body": body}
        connection.run("save_notice", channel=channel, due_at=due_at, **values)


def next_notice(connection: Connection, channel: str, now: float) -> Notice | None:
    """The message that is next on a channel, due or not: one that failed holds up those after it."""
    row = connection.one("next_notice", channel=channel, now=now)
    if row is None:
        return None
    body = json.loads(row["body"])
    key = body.pop("key")
    message = Message(**{**body, "kind": Kind(body["kind"])})
    return Notice(row["id"], key, channel, row["at"], row["attempts"], row["due_at"], message)


def delivered(connection: Connection, notice: Notice) -> None:
    """A message arrived; nothing of it is kept."""
    connection.run("drop_notice", id=notice.id)


def not_delivered(connection: Connection, notice: Notice, due_at: float, now: float) -> tuple[int, int]:
    """A try failed: repeat it at `due_at`. Gives how many messages were given up, and how many wait still."""
    connection.run("notice_failed", id=notice.id, due_at=due_at)
    lost = connection.run("give_up_notices", channel=notice.channel, before=now - MAX_AGE, tries=MAX_TRIES)
    row = connection.one("waiting_notices", channel=notice.channel)
    return lost, row["count"] if row else 0


def drop_strays(connection: Connection, channels: Collection[str]) -> int:
    """Forget messages to channels that are no longer configured; give how many."""
    return connection.run("drop_stray_notices", channels=json.dumps(sorted(channels)))


def failed_since(connection: Connection, since: float) -> int:
    """How many files failed since then (epoch seconds)."""
    return _count(connection.one("failed_since", since=since))


def in_doubt(connection: Connection) -> tuple[int, float]:
    """How many items need a decision, and since when the newest does (epoch seconds)."""
    row = connection.one("in_doubt")
    return (row["count"], row["newest"] or 0.0) if row else (0, 0.0)


def day_facts(connection: Connection, since: float) -> DayFacts:
    """What a digest tells of what came to pass since then (epoch seconds), and of what waits now."""
    charged: defaultdict[str, Decimal] = defaultdict(Decimal)
    for each in connection.all("charged_since", since=since):
        charged[each["currency"]] += Decimal(each["amount"]) * each["count"]
    return DayFacts(
        done=_count(connection.one("done_since", since=since)),
        failed=failed_since(connection, since),
        charged={currency: amount for currency, amount in charged.items() if amount},
        waiting=sum(
            counts.get(state, 0)
            for counts in count_states(connection).values()
            for state in (ItemState.READY, *IN_HANDS)
        ),
        in_doubt=in_doubt(connection)[0],
        incidents=len(connection.all("incidents")),
        to_review=sum(count_to_review(connection).values()),
    )


def _count(row: Row | None) -> int:
    return row["count"] if row else 0
