"""The incidents that are open, as whoever asks the state file reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runflowd.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Incident:
    """Trouble wider than one item, while it lasts."""

    scope: str
    code: str
    message: str
    remedy: str
    since: float
    last: float
    count: int


def incidents(connection: Connection) -> list[Incident]:
    """All trouble that lasts, oldest first."""
    return [Incident(**dict(row)) for row in connection.all("incidents")]
