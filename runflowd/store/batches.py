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
from runflowd.core.model import LOCAL
from runflowd.core.rules import BAD_OVERRIDE
from runflowd.store.claims import Claim, Claimable, hold, run_held
from runflowd.store.history import record
from runflowd.store.items import Item, items_of_batch, move, promote_follower

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from runflowd.core.model import BatchLimits, Json
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
    owner: str | None
    generation: int

    @property
    def overdue(self) -> bool:
        """Whether it was at the service for longer than its deadline when it was last looked at."""
        return self.state is BatchState.SUBMITTED and self.stalled_at is not None

    @property
    def claim(self) -> Claim:
        """The right to write about it and all it holds; one that was only read has none."""
        return Claim(Claimable.BATCH, self.id, self.owner, self.generation)


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
        owner=row["owner"],
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
    probed: Iterable[str] = (),
) -> list[Batch]:
    """Take up to `limit` batches that are due; nobody else gets them while the lease lasts.

    Rules take turns, and one rule gets no more than `share` of those this owner holds, so that a
    thousand batches of one rule do not keep another's waiting. Of a rule in `probed` one is enough. Whoever
    lets a lease run out may have sent an intent and not lived to write down the answer.
    """
    connection.run("doubt_overdue_purchases", owner=lease.owner, now=lease.now)
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
        probed=json.dumps(list(probed)),
    )
    return [batch_from(row) for row in rows]


def next_due(connection: Connection, state: BatchState, service: str, paused: Iterable[str] = ()) -> float | None:
    """When the next batch that nobody holds is due, in epoch seconds; None while there is none."""
    row = connection.one("next_batch", state=state, service=service, paused=json.dumps(list(paused)))
    return row["due_at"] if row else None


def release(
    connection: Connection,
    batch: Batch,
    *,
    due_at: float,
    attempts: int = 0,
    status: str = "",
    code: str = "",
    reason: str = "",
    stalled_at: float | None = None,
) -> None:
    """Give a batch back, to be looked at again at `due_at`. Raises `LeaseLost`."""
    run_held(
        connection,
        "release_batch",
        batch.claim,
        due_at=due_at,
        attempts=attempts,
        status=status or batch.status,
        failure_code=code,
        failure=reason,
        stalled_at=stalled_at,
    )


def move_batch(
    connection: Connection, batch: Batch, after: BatchState, *, code: str = "", reason: str = "", now: float
) -> None:
    """Move a batch along the table of transitions, which ends the claim of it. Raises `LeaseLost`."""
    check_batch(batch.state, after)
    ended = now if after in {BatchState.ENDED, BatchState.REFUSED, BatchState.UNKNOWN} else None
    values = {"failure_code": code, "failure": reason, "ended_at": ended}
    run_held(connection, "move_batch", batch.claim, before=batch.state, after=after, **values)


def drop_from_batch(
    connection: Connection, batch: Batch, item: Item, state: ItemState, code: str, reason: str, now: float
) -> None:
    """Take an item out of a batch that was not bought: its file is gone, has changed, or is no good.

    Unless it failed for good, the next look at its folder finds it anew, whatever its stat says then.
    Raises `LeaseLost`.
    """
    move(connection, item.id, ItemState.BATCHED, state, by=batch.claim, code=code, reason=reason, now=now)
    connection.run("leave_batch", id=item.id, batch=batch.id)
    if state is not ItemState.FAILED:
        connection.run("look_again", id=item.id)
    promote_follower(connection, item.id, now)


def put_back(connection: Connection, batch: Batch, now: float) -> None:
    """Nothing of a batch was bought, and its rule says something else now: its items are to be worded anew.

    Raises `LeaseLost`.
    """
    reason = "its rule was edited before it was bought"
    items = [item for item in items_of_batch(connection, batch.id) if item.state is ItemState.BATCHED]
    set_free(connection, batch, items, now, reason)
    for item in items:
        connection.run("leave_batch", id=item.id, batch=batch.id)
    move_batch(connection, batch, BatchState.REFUSED, code="REWORDED", reason=reason, now=now)


def split_batch(connection: Connection, batch: Batch, items: list[Item], now: float, size: int | None = None) -> None:
    """The service refuses the batch and does not say why: try its first `size` items, or half, and the others apart.

    Raises `LeaseLost`: who took the batch over may have bought it.
    """
    size = len(items) // 2 if size is None else size
    reason = "refused whole; tried in parts"
    set_free(connection, batch, items, now, f"its batch was {reason}")
    move_batch(connection, batch, BatchState.REFUSED, code="SPLIT", reason=reason, now=now)
    for part in (items[:size], items[size:]):
        numbers = [item.id for item in part]
        new_batch(connection, numbers, batch.snapshot, batch.rule, batch.model, batch.service, now)


def set_free(connection: Connection, batch: Batch, items: Iterable[Item], now: float, detail: str) -> None:
    """Make items of a batch that were not bought ready for another one. Raises `LeaseLost`."""
    for item in items:
        move(connection, item.id, ItemState.BATCHED, ItemState.READY, by=batch.claim, now=now, detail=detail)


def take_back(connection: Connection, batch: Batch, item: Item, now: float, detail: str) -> None:
    """Make an item that was refused by itself, and not charged, ready for another batch. Raises `LeaseLost`."""
    move(connection, item.id, item.state, ItemState.READY, by=batch.claim, now=now, detail=detail)
    connection.run("buy_again", id=item.id, client_ref=uuid.uuid4().hex)


def hold_for_folder(connection: Connection, batch: Batch, item: Item, reason: str, now: float, detail: str) -> None:
    """The same, but it waits for another value in its `_runflow.yaml`. Raises `LeaseLost`."""
    take_back(connection, batch, item, now, detail)
    move(connection, item.id, ItemState.READY, ItemState.WAITING, by=None, now=now, code=BAD_OVERRIDE, reason=reason)
    connection.run("look_again", id=item.id)
    promote_follower(connection, item.id, now)


def doubt_items(
    connection: Connection, batch: Batch, items: Iterable[Item], *, code: str, reason: str, now: float
) -> None:
    """Whether these were bought, or what became of them, cannot be established. Raises `LeaseLost`."""
    for item in items:
        move(connection, item.id, item.state, ItemState.UNKNOWN, by=batch.claim, code=code, reason=reason, now=now)


def submit(
    connection: Connection, batch: Batch, items: list[Item], remote_id: str | None, shape: str, now: float
) -> None:
    """Move a batch and its items to submitted. Raises `LeaseLost`."""
    detail = f"bought in batch {remote_id}" if remote_id else "bought in a run of its own"
    for item in items:
        move(connection, item.id, ItemState.BATCHED, ItemState.SUBMITTED, by=batch.claim, now=now, detail=detail)
        connection.run("set_bought", id=item.id, batch=batch.id, now=now)
    values = {"remote_id": remote_id, "shape": shape, "items": len(items), "now": now}
    run_held(connection, "batch_submitted", batch.claim, **values)
    move_batch(connection, batch, BatchState.SUBMITTED, now=now)


def end_batch(connection: Connection, batch: Batch, *, status: str, cost: Decimal | None, now: float) -> None:
    """Every item of a batch has its result or its failure. Raises `LeaseLost`."""
    values = {"status": status, "cost": str(cost) if cost is not None else None}
    run_held(connection, "batch_ended", batch.claim, **values)
    move_batch(connection, batch, BatchState.ENDED, now=now)


def place_items(connection: Connection, batch: Batch, positions: Iterable[tuple[Item, int]]) -> None:
    """Note at which place of the request each item stands. Raises `LeaseLost`."""
    hold(connection, batch.claim)
    for item, position in positions:
        connection.run("place_item", id=item.id, batch=batch.id, position=position)


def set_run(connection: Connection, batch: Batch, item: Item, run_id: str) -> None:
    """Note which run at the service is an item's. Raises `LeaseLost`."""
    hold(connection, batch.claim)
    connection.run("set_run", id=item.id, batch=batch.id, run_id=run_id)


def buy_run(connection: Connection, batch: Batch, item: Item, run_id: str, now: float) -> None:
    """Note the run that was bought for an item alone, which counts as spent from now on. Raises `LeaseLost`."""
    set_run(connection, batch, item, run_id)
    connection.run("set_bought", id=item.id, batch=batch.id, now=now)


def set_result(
    connection: Connection, batch: Batch, item: Item, *, run_id: str | None, output: Json, cost: Decimal | None
) -> None:
    """Keep what the service answered about an item; `output` is None where it has none. Raises `LeaseLost`."""
    hold(connection, batch.claim)
    connection.run(
        "set_result",
        id=item.id,
        batch=batch.id,
        run_id=run_id,
        output=None if output is None else json.dumps(output),
        **_priced(batch, cost),
    )


def _priced(batch: Batch, cost: Decimal | None) -> dict[str, str | None]:
    """What was paid, or of what this machine did, what the hosted service would have taken."""
    told = None if cost is None else str(cost)
    return {"cost": None, "hosted": told} if batch.service == LOCAL else {"cost": told, "hosted": None}


def renew_leases(connection: Connection, lease: Lease) -> None:
    """Keep everything this owner has claimed."""
    connection.run("renew_batch_leases", owner=lease.owner, until=lease.until)
    connection.run("renew_item_leases", owner=lease.owner, until=lease.until)


def free_leases(connection: Connection, living: Collection[str]) -> None:
    """Take over what the sessions that are not among the `living` held.

    Called once at a start: the lock on the state file proves who lives. An intent that nobody alive holds may have
    been sent before a crash, so its key is never replaced lightly.
    """
    known = json.dumps(sorted(living))
    for name in ("doubt_left_purchases", "free_batch_leases", "free_item_leases"):
        connection.run(name, living=known)
