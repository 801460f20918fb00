"""Who works on which batch until when: claims that are taken, renewed, given back, and freed after a crash."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.store.batches import Batch, batch_from
from runflowd.store.claims import run_held

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from runflowd.core.lifecycle import BatchState
    from runflowd.store.connection import Connection


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
