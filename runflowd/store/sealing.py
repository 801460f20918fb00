"""Ready items become a batch: sealed in their order, under the rule text of that moment."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from runflowd.core.batching import take
from runflowd.core.model import LOCAL
from runflowd.store.approvals import save_approval
from runflowd.store.history import record_all
from runflowd.store.reserving import allowed, park, reservations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.core.model import BatchLimits
    from runflowd.core.money import Hold, Money, Price
    from runflowd.store.connection import Connection
    from runflowd.store.reserving import Purchase

    Reserved = Mapping[int, Mapping[str, str | None]]

NOTHING_RESERVED: Reserved = MappingProxyType({})


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


def seal(connection: Connection, purchase: Purchase, limits: BatchLimits, money: Money, now: float) -> Sealed:
    """Make a batch of the oldest ready items under one rule text.

    As many as fit the batch and every limit of money, and need no approval that is not given.
    """
    numbers = next_items(connection, purchase.snapshot, limits)
    if not numbers or purchase.service == LOCAL:
        batch = _batch_of(connection, numbers, purchase, now, {}) if numbers else None
        return Sealed(batch, len(numbers))
    own = money.of(purchase.rule)
    verdict = allowed(connection, numbers, purchase, money, now)
    found, prices = verdict.found, verdict.prices
    park(connection, [(numbers[place], prices[place]) for place in found.dear], own, now)
    bought = [(numbers[place], prices[place]) for place in found.bought]
    save_approval(connection, purchase.rule, purchase.recipe, verdict.known, verdict.after(own.approve))
    batch = None
    if bought:
        reserved = reservations(connection, bought, money, now)
        batch = _batch_of(connection, list(reserved), purchase, now, reserved)
    held = [number for place, number in enumerate(numbers) if place not in {*found.bought, *found.dear}]
    if not held:
        return Sealed(batch, len(bought), parked=len(found.dear))
    left = allowed(connection, held[:1], purchase, money, now)  # so that the hold is said with what is reserved now
    return Sealed(batch, len(bought), left.found.hold, left.prices[0], len(found.dear))


def _batch_of(connection: Connection, numbers: list[int], purchase: Purchase, now: float, reserved: Reserved) -> str:
    snapshot, rule, model, service = purchase.snapshot, purchase.rule, purchase.model, purchase.service
    return new_batch(connection, numbers, snapshot, rule, model, service, now, reserved)


def next_items(connection: Connection, snapshot: str, limits: BatchLimits) -> list[int]:
    """The oldest ready items under one rule text, as many as fit a batch."""
    rows = connection.all("ready_of_snapshot", snapshot=snapshot, limit=limits.max_items)
    return [row["id"] for row in rows[: take((row["size"] for row in rows), limits)]]


def new_batch(
    connection: Connection,
    numbers: list[int],
    snapshot: str,
    rule: str,
    model: str,
    service: str,
    now: float,
    reserved: Reserved = NOTHING_RESERVED,
) -> str:
    """Make a batch of ready items, in the order given; of all or none of them is noted what they may cost."""
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
        "reserve_in_batch" if reserved else "put_in_batch",
        [
            {"batch": batch, "position": index, "id": number, **reserved.get(number, {})}
            for index, number in enumerate(numbers)
        ],
    )
    record_all(connection, dict.fromkeys(numbers, f"sealed in batch {batch}, as one of {len(numbers)}"), now)
    return batch
