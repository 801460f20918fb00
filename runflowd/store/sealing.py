"""Ready items become a batch: sealed in their order, under the rule text of that moment."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING

from runflowd.core.batching import take
from runflowd.store.history import record

if TYPE_CHECKING:
    from runflowd.core.model import BatchLimits
    from runflowd.store.connection import Connection


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
