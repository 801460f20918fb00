"""Rows of purchases: every request that costs money, written before it is sent."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import Outcome

if TYPE_CHECKING:
    from runflowd.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Purchase:
    """One request that costs money; `body` is None once its answer is known."""

    key: str
    item: int | None
    shape: str
    body: bytes | None
    outcome: Outcome
    ambiguous: bool
    intended_at: float
    remote_id: str | None


def intend(
    connection: Connection, batch: str, shape: str, body: bytes, now: float, item: int | None = None
) -> Purchase:
    """Store the exact bytes and a new key of a request that will cost money, before it is sent."""
    key = uuid.uuid4().hex
    connection.run("insert_purchase", key=key, batch=batch, item=item, shape=shape, body=body, now=now)
    return Purchase(key, item, shape, body, Outcome.INTENDED, False, now, None)


def purchases_of_batch(connection: Connection, batch: str) -> list[Purchase]:
    """Every request made, or to be made, for a batch, oldest first."""
    return [
        Purchase(
            row["key"],
            row["item"],
            row["shape"],
            row["body"],
            Outcome(row["outcome"]),
            bool(row["ambiguous"]),
            row["intended_at"],
            row["remote_id"],
        )
        for row in connection.all("purchases_of_batch", batch=batch)
    ]


def close_purchase(connection: Connection, key: str, outcome: Outcome, remote_id: str | None = None) -> None:
    """Record what became of a request; its bytes are no longer needed."""
    connection.run("close_purchase", key=key, outcome=outcome, remote_id=remote_id)
