"""Rows of purchases: every request that costs money, written before it is sent."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import Outcome
from runflowd.core.refusal import BodyFormat
from runflowd.store.claims import hold

if TYPE_CHECKING:
    from runflowd.store.batches import Batch
    from runflowd.store.connection import Connection


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """One request that costs money; `body` is None once its answer is known.

    `ambiguous` says that it was sent once without a clear answer, `unreceived` that it was sent and the service has
    certainly not got it. `links_at` is when the oldest link in it was made, None when it has none that ages.
    """

    key: str
    item: int | None
    shape: str
    body: bytes | None
    outcome: Outcome
    ambiguous: bool
    intended_at: float
    remote_id: str | None
    links_at: float | None = None
    unreceived: bool = False

    @property
    def body_format(self) -> BodyFormat:
        """The body that was sent, as `shape` tells."""
        return BodyFormat.parse(self.shape)

    @property
    def may_be_received(self) -> bool:
        """Whether money may yet move for it: it was sent, or is to be, and not certainly in vain."""
        return self.outcome is Outcome.INTENDED and not self.unreceived


def record_intent(
    connection: Connection,
    batch: Batch,
    shape: str,
    body: bytes,
    now: float,
    item: int | None = None,
    links_at: float | None = None,
) -> SubmitRequest:
    """Store the exact bytes and a new key of a request that will cost money, before it is sent. Raises `LeaseLost`."""
    hold(connection, batch.claim)
    key = uuid.uuid4().hex
    values = {"batch": batch.id, "item": item, "shape": shape, "body": body, "links_at": links_at}
    connection.run("insert_purchase", key=key, now=now, **values)
    return SubmitRequest(key, item, shape, body, Outcome.INTENDED, False, now, None, links_at)


def purchases_of_batch(connection: Connection, batch: str) -> list[SubmitRequest]:
    """Every request made, or to be made, for a batch, oldest first."""
    return [
        SubmitRequest(
            row["key"],
            row["item"],
            row["shape"],
            row["body"],
            Outcome(row["outcome"]),
            bool(row["ambiguous"]),
            row["intended_at"],
            row["remote_id"],
            row["links_at"],
            bool(row["unreceived"]),
        )
        for row in connection.all("purchases_of_batch", batch=batch)
    ]


def close_purchase(
    connection: Connection, batch: Batch, key: str, outcome: Outcome, remote_id: str | None = None
) -> None:
    """Record what became of a request; its bytes are no longer needed. Raises `LeaseLost`."""
    hold(connection, batch.claim)
    connection.run("close_purchase", key=key, batch=batch.id, outcome=outcome, remote_id=remote_id)


def doubt_purchase(connection: Connection, batch: Batch, key: str) -> None:
    """A request may have arrived, and no answer to it did. Raises `LeaseLost`."""
    hold(connection, batch.claim)
    connection.run("doubt_purchase", key=key, batch=batch.id)


def note_unreceived(connection: Connection, batch: Batch, key: str) -> None:
    """A request was sent, or could not be, and has certainly had no effect. Raises `LeaseLost`."""
    hold(connection, batch.claim)
    connection.run("note_unreceived", key=key, batch=batch.id)


def about_to_send(connection: Connection, batch: Batch, key: str) -> None:
    """A request goes out once more: nothing is certain about it from now on. Raises `LeaseLost`."""
    hold(connection, batch.claim)
    connection.run("about_to_send", key=key, batch=batch.id)


def close_unreceived(connection: Connection, batch: Batch, key: str) -> bool:
    """Close a request that will not be sent again, unless it may have been received. Raises `LeaseLost`."""
    hold(connection, batch.claim)
    return connection.run("close_unreceived", key=key, batch=batch.id, outcome=Outcome.OUTDATED) == 1
