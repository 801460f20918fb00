"""Claims: the right to write about a row, void once somebody else has taken the row over.

Whoever claims a row gets a generation of it that nobody else has. A process may be stopped for minutes in the
middle of a job, and wake up when another one has finished it: so every write about a claimed row asks for owner
and generation in its own transaction, and a lost claim undoes all of that transaction's part.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from runflowd.store.connection import Connection


class Claimable(StrEnum):
    """The tables whose rows are claimed."""

    BATCH = "batch"
    ITEM = "item"
    DUTY = "duty"


@dataclass(frozen=True, slots=True)
class Claim:
    """Who may write about a row: the session, and the generation that its claim gave the row.

    `owner` is None for a row that was read without a claim: nothing can be written in its name.
    """

    table: Claimable
    id: int | str
    owner: str | None
    generation: int

    @property
    def values(self) -> dict[str, Any]:
        """What a fenced statement asks for."""
        return {"id": self.id, "owner": self.owner, "generation": self.generation}


class LeaseLost(RunflowdError):
    """The row is somebody else's now, or nobody's: nothing was written, and the job is to be dropped."""

    def __init__(self, claim: Claim) -> None:
        super().__init__(
            f"{claim.table} {claim.id}: another process took it over; what this one did about it is dropped"
        )


def hold(connection: Connection, *claims: Claim) -> None:
    """Raise `LeaseLost` unless the claims are good.

    In a writing transaction they stay good until the commit, since nobody else writes: a part of it asks once.
    """
    held = set() if connection.held is None else connection.held
    for table in Claimable:
        asked = [claim for claim in dict.fromkeys(claims) if claim.table is table and claim not in held]
        answers = connection.all_each(f"hold_{table}", [claim.values for claim in asked])
        for claim, answer in zip(asked, answers, strict=True):
            if not answer:
                raise LeaseLost(claim)
        held.update(asked)


def run_held(connection: Connection, name: str, claim: Claim, /, **values: Any) -> None:
    """Run a statement about the claimed row itself, which asks for the claim; raise `LeaseLost` if it is void."""
    if not connection.run(name, **claim.values, **values):
        raise LeaseLost(claim)
