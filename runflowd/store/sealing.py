"""Ready items become a batch: sealed in their order, under the rule text of that moment."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from runflowd.core.batching import take
from runflowd.core.model import LOCAL
from runflowd.store.history import record
from runflowd.store.reserving import allowed, park, reserve

if TYPE_CHECKING:
    from runflowd.core.model import BatchLimits
    from runflowd.core.money import Hold, Money, Price
    from runflowd.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Sealed:
    """The batch that was made, of how many items, and what holds those that were left.

    `price` is that of the first of those, and `parked` is how many cost more than one file may.
    """

    batch: str | None = None
    count: int = 0
    hold: Hold | None = None
    price: Price | None = None
    parked: int = 0


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
    numbers = next_items(connection, snapshot, limits)
    if not numbers or service == LOCAL:
        batch = new_batch(connection, numbers, snapshot, rule, model, service, now) if numbers else None
        return Sealed(batch, len(numbers))
    look = partial(allowed, connection, rule=rule, model=model, service=service, money=money, now=now)
    found, prices = look(numbers)
    park(connection, [(numbers[place], prices[place]) for place in found.dear], money.of(rule), now)
    bought = [(numbers[place], prices[place]) for place in found.bought]
    batch = None
    if bought:
        reserve(connection, bought, money, now)
        batch = new_batch(connection, [number for number, _ in bought], snapshot, rule, model, service, now)
    held = [number for place, number in enumerate(numbers) if place not in {*found.bought, *found.dear}]
    if not held:
        return Sealed(batch, len(bought), parked=len(found.dear))
    left, prices = look(held[:1])  # so that the hold is said with what this batch has reserved
    return Sealed(batch, len(bought), left.hold, prices[0], len(found.dear))


def next_items(connection: Connection, snapshot: str, limits: BatchLimits) -> list[int]:
    """The oldest ready items under one rule text, as many as fit a batch."""
    rows = connection.all("ready_of_snapshot", snapshot=snapshot, limit=limits.max_items)
    return [row["id"] for row in rows[: take((row["size"] for row in rows), limits)]]


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
