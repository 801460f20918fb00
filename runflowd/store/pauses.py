"""Rules for which nothing is bought until a person says so.

A pause is a row, not a message: it holds whether a daemon runs or not, and survives every restart.
What was bought before it is still waited for and delivered; files are still found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runflowd.store.connection import Connection

EVERY_RULE = ""
"""The name under which all rules are paused, those of the future included."""


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause: since when (epoch seconds), and why. `rule` is EVERY_RULE for all of them."""

    rule: str
    since: float
    reason: str

    @property
    def subject(self) -> str:
        """What is paused, in words."""
        return f"rule {self.rule}" if self.rule != EVERY_RULE else "every rule"

    @property
    def remedy(self) -> str:
        """How it ends."""
        return f"`runflowd resume {self.rule or '--all'}` lets it go on"


def pauses(connection: Connection) -> list[Pause]:
    """Everything that is paused."""
    return [Pause(row["rule"], row["since"], row["reason"]) for row in connection.all("pauses")]


def pause(connection: Connection, rule: str, reason: str, now: float) -> None:
    """Buy nothing more for a rule; one that is paused already keeps its time and takes the new reason."""
    connection.run("save_pause", rule=rule, reason=reason, now=now)


def resume(connection: Connection, rule: str) -> bool:
    """Let a rule go on; False when it was not paused."""
    return connection.run("drop_pause", rule=rule) == 1
