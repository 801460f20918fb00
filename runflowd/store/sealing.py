"""Ready items become a batch: sealed in their order, under the rule text of that moment."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.core.batching import take
from runflowd.core.model import LOCAL
from runflowd.store.history import record
from runflowd.store.reserving import allowed, reserve

if TYPE_CHECKING:
    from runflowd.core.model import BatchLimits
    from runflowd.core.money import Hold, Money, Price
    from runflowd.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Sealed:
    """The batch that was made, of how many items, and what holds those that were left; `price` is that of a file."""

    batch: str | None = None
    count: int = 0
    hold: Hold | None = None
    price: Price | None = None


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
    money: Money,
) -> Sealed:
    """Make a batch of the oldest ready items under one rule text: as many as fit the batch and every limit of money."""
    rows = connection.all("ready_of_snapshot", snapshot=snapshot, limit=limits.max_items)
    numbers = [row["id"] for row in rows[: take((row["size"] for row in rows), limits)]]
    if not numbers:
        return Sealed()
    if service == LOCAL:
        return Sealed(new_batch(connection, numbers, snapshot, rule, model, service, now), len(numbers))
    found, price = allowed(connection, len(numbers), rule=rule, model=model, service=service, money=money, now=now)
    numbers = numbers[: found.count]
    if not numbers:
        return Sealed(hold=found.hold, price=price)
    reserve(connection, numbers, money, price, now)
    batch = new_batch(connection, numbers, snapshot, rule, model, service, now)
    return Sealed(batch, len(numbers), found.hold, price)


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
