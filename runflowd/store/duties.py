"""What one host at a time does, and what each session has claimed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.store.claims import Claim, Claimable

if TYPE_CHECKING:
    from runflowd.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Duty:
    """What one host at a time does, and who does it; `text` is the rule text that is in force by that."""

    name: str
    owner: str | None
    generation: int
    text: str

    @property
    def claim(self) -> Claim:
        """The right to write in the name of it."""
        return Claim(Claimable.DUTY, self.name, self.owner, self.generation)


def duties(connection: Connection) -> dict[str, Duty]:
    """Every duty by its name."""
    return {row["name"]: Duty(*row) for row in connection.all("duties")}


def take_duty(connection: Connection, name: str, session: str, text: str = "") -> bool:
    """Take a duty that nobody has; whether it was free."""
    return bool(connection.all("take_duty", name=name, owner=session, text=text))


def give_up_duty(connection: Connection, name: str, session: str) -> None:
    """Leave a duty to others."""
    connection.run("give_up_duty", name=name, owner=session)


def word_duty(connection: Connection, name: str, session: str, text: str) -> None:
    """Another text of a rule is in force by this session's duty."""
    connection.run("word_duty", name=name, owner=session, text=text)


def in_hand(connection: Connection) -> tuple[Counter[str], Counter[str]]:
    """How many batches, and how many files, each session has claimed."""
    return _claimed(connection, "batches_in_hand"), _claimed(connection, "files_in_hand")


def _claimed(connection: Connection, statement: str) -> Counter[str]:
    return Counter({row["owner"]: row["count"] for row in connection.all(statement)})
