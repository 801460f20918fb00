"""Making due what waits for a date: one batch of which somebody said that it has ended, or all there is.

Only a poll decides whether it has.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runflowd.store.connection import Connection


class Wake(StrEnum):
    """What a hint did."""

    WOKEN = "woken"
    """A batch that waited for its next poll is due now."""
    HELD = "held"
    """The batch is being polled right now, and that poll may have read the state before; worth another try."""
    NOTHING = "nothing"
    """No open batch has that id: finished, foreign, or not yet recorded, and then it is polled at once anyway."""


def wake(connection: Connection, batch: str, run: str) -> Wake:
    """Make the open batch with this id of the service's due, or the one that holds this run; "" names none."""
    if connection.run("wake_batches_of", batch=batch or None, run=run or None):
        return Wake.WOKEN
    return Wake.HELD if connection.one("batches_held", batch=batch or None, run=run or None) else Wake.NOTHING


def wake_all(connection: Connection) -> None:
    """Let everything be tried at once: after a reload, or when dates on record are worth nothing any more."""
    connection.run("wake_all_batches")
    connection.run("wake_all_deliveries")
    connection.run("wake_all_notes")
