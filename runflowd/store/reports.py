"""What people ask of the state file: how items and batches stand, what failed, and which incidents are open."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from runflowd.core.currency import USD
from runflowd.core.incident_scope import split_host
from runflowd.core.lifecycle import ItemState
from runflowd.store.items import path_of

if TYPE_CHECKING:
    from runflowd.store.connection import Connection, Row


@dataclass(frozen=True, slots=True)
class Entry:
    """One item as a report shows it.

    `seconds` is from rest to result, None if it never came to rest. `cost` is None for what was not
    bought: a copy of an earlier result, or a file that was never sent. `batch` is empty then, too; `remote_batch`
    is the id that the service gave it, empty for single runs.
    `hosted` is what the hosted service would have taken for what this machine did at no cost.
    """

    id: int
    rule: str
    path: str
    state: ItemState
    model: str
    batch: str
    seconds: float | None
    cost: Decimal | None
    code: str
    reason: str
    reference: str
    hosted: Decimal | None = None
    remote_batch: str = ""
    currency: str = USD


def count_states(connection: Connection) -> dict[str, dict[ItemState, int]]:
    """How many items of each rule are in each state; rules without items are left out."""
    counts: defaultdict[str, dict[ItemState, int]] = defaultdict(dict)
    for row in connection.all("count_states"):
        counts[row["rule"]][ItemState(row["state"])] = row["count"]
    return dict(counts)


def count_files(connection: Connection) -> dict[str, dict[ItemState, int]]:
    """The same of the files that lists have (`browsing.Sought`): a file that was done again counts once."""
    counts = count_states(connection)
    for row in connection.all("count_superseded"):
        counts[row["rule"]][ItemState(row["state"])] -= row["count"]
    return {rule: {state: count for state, count in found.items() if count} for rule, found in counts.items()}


def ended_since(connection: Connection, since: float) -> list[Entry]:
    """Every item that was done, failed or became unknown since then (epoch seconds), in that order."""
    return [_entry(row) for row in connection.all("ended_since", since=since)]


def waiting(connection: Connection, limit: int) -> list[Entry]:
    """Files that cannot be taken yet, each with its reason."""
    return [_entry(row) for row in connection.all("waiting_items", limit=limit)]


def failures(connection: Connection, limit: int) -> list[Entry]:
    """Failed and unknown items: the unknown ones first, since they wait for a person; then the latest."""
    return [_entry(row) for row in connection.all("failed_items", limit=limit)]


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Files of one rule that failed for one cause: how many, and the latest of them; `at` is epoch seconds.

    `charged` of them were paid for though they failed.
    """

    rule: str
    state: ItemState
    code: str
    count: int
    at: float
    path: str
    reason: str
    reference: str
    charged: int = 0


def failure_groups(connection: Connection, limit: int) -> list[FailureGroup]:
    """Failed and unknown items by cause: the unknown ones first, since they wait for a person; then the latest."""
    return [
        FailureGroup(
            rule=row["rule"],
            state=ItemState(row["state"]),
            code=row["failure_code"],
            count=row["alike"],
            at=row["latest"],
            path=path_of(row),
            reason=row["failure"],
            reference=row["client_ref"],
            charged=row["charged"],
        )
        for row in connection.all("failure_groups", limit=limit)
    ]


def partial(connection: Connection, since: float, limit: int) -> list[Entry]:
    """Files that were done since then (epoch seconds) though some of their outputs did not come, the latest first."""
    return [_entry(row) for row in connection.all("partial_items", since=since, limit=limit)]


def _entry(row: Row) -> Entry:
    timed = row["ended_at"] is not None and row["ready_at"] is not None
    return Entry(
        id=row["id"],
        rule=row["rule"],
        path=path_of(row),
        state=ItemState(row["state"]),
        model=row["model"] or "",
        batch=row["batch"] or "",
        remote_batch=row["remote_id"] or "",
        seconds=max(0.0, row["ended_at"] - row["ready_at"]) if timed else None,
        cost=Decimal(row["cost"]) if row["cost"] else None,
        hosted=Decimal(row["hosted"]) if row["hosted"] else None,
        currency=row["currency"],
        code=row["failure_code"],
        reason=row["failure"],
        reference=row["client_ref"],
    )


@dataclass(frozen=True, slots=True)
class Overdue:
    """The overdue batches of one rule: how many, how many files wait for them, and the oldest.

    `since` is when that one was submitted, in epoch seconds; `oldest` its id, and `remote` the one that the service
    gave it, empty for single runs.
    """

    rule: str
    batches: int
    files: int
    since: float
    oldest: str
    remote: str


def overdue(connection: Connection) -> list[Overdue]:
    """What is overdue, rule by rule; a rule without such a batch is left out."""
    return [
        Overdue(row["rule"], row["batches"], row["files"], row["since"], row["oldest"], row["remote_id"] or "")
        for row in connection.all("overdue")
    ]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Batches of one rule that were sent, or perhaps sent, to a `service` that is not the one in use.

    `files` is how many files wait for them, by the state they are in.
    """

    rule: str
    service: str
    batches: int
    files: dict[ItemState, int]


def elsewhere(connection: Connection, service: str) -> list[Elsewhere]:
    """What is at another service than this one, by rule; of one rule the service with most batches comes first."""
    columns = {ItemState.QUEUED: "queued", ItemState.SUBMITTED: "submitted", ItemState.DUPLICATE: "duplicates"}
    return [
        Elsewhere(
            row["rule"],
            row["service"],
            row["batches"],
            {state: int(row[column]) for state, column in columns.items()},
        )
        for row in connection.all("batches_elsewhere", service=service)
    ]


def files_left(connection: Connection) -> dict[str, int]:
    """How many files each open batch still waits for, by its id."""
    return {row["batch"]: row["files"] for row in connection.all("files_left")}


@dataclass(frozen=True, slots=True)
class Incident:
    """Trouble wider than one item, while it lasts; of several hosts' on `host` alone, "" for all."""

    scope: str
    code: str
    message: str
    remedy: str
    since: float
    last: float
    count: int
    host: str = ""


def incidents(connection: Connection) -> list[Incident]:
    """All trouble that lasts, oldest first."""
    return [_incident(row) for row in connection.all("incidents")]


def _incident(row: Row) -> Incident:
    scope, host = split_host(row["scope"])
    return Incident(**{**dict(row), "scope": scope, "host": host})
