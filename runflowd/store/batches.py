"""Rows of batches and purchases: sealed with their rule text, bought under a stored key."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from runflowd.core.batching import take
from runflowd.core.lifecycle import BatchState, ItemState, check_batch
from runflowd.store.history import record
from runflowd.store.items import Item, move, promote_follower

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runflowd.core.model import BatchLimits
    from runflowd.store.connection import Connection, Row


MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class Lease:
    """Who works on what until when (epoch seconds)."""

    owner: str
    now: float
    seconds: float = 60.0

    @property
    def until(self) -> float:
        """The time after which another owner may take the rows."""
        return self.now + self.seconds


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch as the store knows it."""

    id: str
    rule: str
    snapshot: str
    service: str
    model: str
    state: BatchState
    items: int
    shape: str
    remote_id: str | None
    status: str
    cost: Decimal | None
    failure_code: str
    failure: str
    attempts: int
    sealed_at: float
    submitted_at: float | None
    stalled_at: float | None
    ended_at: float | None
    generation: int

    @property
    def overdue(self) -> bool:
        """Whether it was at the service for longer than its deadline when it was last looked at."""
        return self.state is BatchState.SUBMITTED and self.stalled_at is not None


def batch_from(row: Row) -> Batch:
    """A whole `batch` row as a value."""
    return Batch(
        id=row["id"],
        rule=row["rule"],
        snapshot=row["snapshot"],
        service=row["service"],
        model=row["model"],
        state=BatchState(row["state"]),
        items=row["items"],
        shape=row["shape"],
        remote_id=row["remote_id"],
        status=row["status"],
        cost=Decimal(row["cost"]) if row["cost"] else None,
        failure_code=row["failure_code"],
        failure=row["failure"],
        attempts=row["attempts"],
        sealed_at=row["sealed_at"],
        submitted_at=row["submitted_at"],
        stalled_at=row["stalled_at"],
        ended_at=row["ended_at"],
        generation=row["generation"],
    )


def save_snapshot(connection: Connection, rule: str, text: str) -> str:
    """Keep a rule text; give the id under which batches refer to it."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    connection.run("save_snapshot", id=digest, rule=rule, text=text)
    return digest


def seal(
    connection: Connection,
    *,
    snapshot: str,
    rule: str,
    model: str,
    service: str,
    limits: BatchLimits,
    now: float,
) -> str | None:
    """Make a batch of the oldest ready items under one rule text; None when nothing is ready."""
    rows = connection.all("ready_of_snapshot", snapshot=snapshot, limit=limits.max_items)
    chosen = rows[: take((row["size"] for row in rows), limits)]
    if not chosen:
        return None
    return new_batch(connection, [row["id"] for row in chosen], snapshot, rule, model, service, now)


def new_batch(
    connection: Connection, numbers: list[int], snapshot: str, rule: str, model: str, service: str, now: float
) -> str:
    """Make a batch of ready items, in the order given."""
    batch = uuid.uuid4().hex
    connection.run(
        "insert_batch",
        id=batch,
        rule=rule,
        snapshot=snapshot,
        service=service,
        model=model,
        items=len(numbers),
        now=now,
    )
    connection.run_many(
        "put_in_batch",
        [{"batch": batch, "position": index, "id": number} for index, number in enumerate(numbers)],
    )
    for number in numbers:
        record(connection, number, now, f"sealed in batch {batch}, as one of {len(numbers)}")
    return batch


def claim_batches(
    connection: Connection,
    state: BatchState,
    service: str,
    lease: Lease,
    limit: int,
    paused: Iterable[str] = (),
    share: int | None = None,
) -> list[Batch]:
    """Take up to `limit` batches that are due; nobody else gets them while the lease lasts.

    Rules take turns, and one rule gets no more than `share` of those this owner holds, so that a
    thousand batches of one rule do not keep another's waiting.
    """
    rows = connection.all(
        "claim_batches",
        state=state,
        service=service,
        owner=lease.owner,
        now=lease.now,
        until=lease.until,
        limit=limit,
        share=limit + MANY if share is None else share,
        paused=json.dumps(list(paused)),
    )
    return [batch_from(row) for row in rows]


def next_due(connection: Connection, state: BatchState, service: str, paused: Iterable[str] = ()) -> float | None:
    """When the next batch that nobody holds is due, in epoch seconds; None while there is none."""
    row = connection.one("next_batch", state=state, service=service, paused=json.dumps(list(paused)))
    return row["due_at"] if row else None


def release(
    connection: Connection,
    batch: Batch,
    owner: str,
    *,
    due_at: float,
    attempts: int = 0,
    status: str = "",
    code: str = "",
    reason: str = "",
    stalled_at: float | None = None,
) -> bool:
    """Give a batch back, to be looked at again at `due_at`; False when it was no longer ours."""
    return (
        connection.run(
            "release_batch",
            id=batch.id,
            owner=owner,
            generation=batch.generation,
            due_at=due_at,
            attempts=attempts,
            status=status or batch.status,
            failure_code=code,
            failure=reason,
            stalled_at=stalled_at,
        )
        == 1
    )


def move_batch(
    connection: Connection, batch: Batch, after: BatchState, *, code: str = "", reason: str = "", now: float
) -> bool:
    """Move a batch along the table of transitions; False when it is no longer where it was."""
    check_batch(batch.state, after)
    ended = now if after in {BatchState.ENDED, BatchState.REFUSED, BatchState.UNKNOWN} else None
    return (
        connection.run(
            "move_batch",
            id=batch.id,
            before=batch.state,
            after=after,
            failure_code=code,
            failure=reason,
            ended_at=ended,
        )
        == 1
    )


def drop_from_batch(connection: Connection, item: Item, state: ItemState, code: str, reason: str, now: float) -> None:
    """Take an item out of a batch that was not bought: its file is gone, has changed, or is no good.

    Unless it failed for good, the next look at its folder finds it anew, whatever its stat says then.
    """
    move(connection, item.id, ItemState.BATCHED, state, code=code, reason=reason, now=now)
    connection.run("leave_batch", id=item.id)
    if state is not ItemState.FAILED:
        connection.run("look_again", id=item.id)
    promote_follower(connection, item.id, now)


def split_batch(connection: Connection, batch: Batch, items: list[Item], now: float) -> None:
    """The service refuses the batch and does not say why: try its halves, each under keys of its own."""
    middle = len(items) // 2
    reason = "refused whole; tried in halves"
    move_batch(connection, batch, BatchState.REFUSED, code="SPLIT", reason=reason, now=now)
    for item in items:
        move(connection, item.id, ItemState.BATCHED, ItemState.READY, now=now, detail=f"its batch was {reason}")
    for half in (items[:middle], items[middle:]):
        numbers = [item.id for item in half]
        new_batch(connection, numbers, batch.snapshot, batch.rule, batch.model, batch.service, now)


def renew_leases(connection: Connection, lease: Lease) -> None:
    """Keep everything this owner has claimed."""
    connection.run("renew_batch_leases", owner=lease.owner, until=lease.until)
    connection.run("renew_item_leases", owner=lease.owner, until=lease.until)


def free_leases(connection: Connection, owner: str) -> int:
    """Take over what a dead owner held; called once, after the lock on the state file was won.

    An intent found now may have been sent before the crash, so its key is never replaced lightly.
    """
    connection.run("doubt_all_purchases")
    return connection.run("free_batch_leases", owner=owner) + connection.run("free_item_leases", owner=owner)
