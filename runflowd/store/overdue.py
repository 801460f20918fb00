"""The batches that outlived their deadline, as they stand on record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runflowd.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Overdue:
    """The overdue batches of one rule: how many, how many files wait for them, and the oldest.

    `since` is when that one was submitted, in epoch seconds; `oldest` its id, and `remote` the one that the service
    gave it, empty for single runs.
    """

    rule: str
    batches: int
    files: int
    since: float
    oldest: str
    remote: str


def overdue(connection: Connection) -> list[Overdue]:
    """What is overdue, rule by rule; a rule without such a batch is left out."""
    return [
        Overdue(row["rule"], row["batches"], row["files"], row["since"], row["oldest"], row["remote_id"] or "")
        for row in connection.all("overdue")
    ]


def files_left(connection: Connection) -> dict[str, int]:
    """How many files each open batch still waits for, by its id."""
    return {row["batch"]: row["files"] for row in connection.all("files_left")}
