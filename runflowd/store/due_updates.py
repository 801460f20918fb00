"""Making due what waits for a date: one batch of which somebody said that it has ended, or all there is.

Only a poll decides whether it has.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.store.connection import Connection


class PollHint(StrEnum):
    """What a hint did."""

    WOKEN = "woken"
    """A batch that waited for its next poll is due now."""
    HELD = "held"
    """The batch is being polled right now, and that poll may have read the state before; worth another try."""
    NOTHING = "nothing"
    """No open batch has that id: finished, foreign, or not yet recorded, and then it is polled at once anyway."""


def wake(connection: Connection, batch: str, run: str, due: Callable[[str], float]) -> PollHint:
    """Let the open batch with this id of the service's be polled soon, or the one that holds this run; "" names none.

    `due` tells when, in epoch seconds, by our own id of the batch.
    """
    found = connection.all("batches_hinted", batch=batch or None, run=run or None)
    free = [row["id"] for row in found if not row["held"]]
    for identifier in free:
        connection.run("poll_by", id=identifier, due=due(identifier))
    if free:
        return PollHint.WOKEN
    return PollHint.HELD if found else PollHint.NOTHING


def wake_all(connection: Connection) -> None:
    """Let everything be tried at once: after a reload, or when dates on record are worth nothing any more."""
    connection.run("wake_all_batches")
    connection.run("wake_all_deliveries")
    connection.run("wake_all_notes")
    connection.run("wake_all_receipts")
    connection.run("wake_all_verdicts")
