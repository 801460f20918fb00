"""Who works on which batch: claims that are taken, given back, and freed once their session is dead.

A claim lasts as long as its session (`store/hosts.py`): how long the work takes says nothing about who lives.
"""

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
    """The session that takes what is due `now` (epoch seconds)."""

    owner: str
    now: float


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
    """Take up to `limit` batches that are due and nobody's; nobody else gets them while this session lives.

    Rules take turns, and one rule gets no more than `share` of those this owner holds, so that a
    thousand batches of one rule do not keep another's waiting. Of a rule in `probed` one is enough.
    """
    rows = connection.all(
        "claim_batches",
        state=state,
        service=service,
        owner=lease.owner,
        now=lease.now,
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


def free_leases(connection: Connection, living: Collection[str]) -> None:
    """Let go of what the sessions that are not among the `living` held: what they write is refused from now on.

    An intent that nobody alive holds may have been sent before a crash, so its key is never replaced lightly.
    """
    known = json.dumps(sorted(living))
    for name in ("doubt_left_purchases", "free_batch_leases", "free_item_leases", "free_duties"):
        connection.run(name, living=known)
