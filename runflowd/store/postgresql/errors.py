"""What keeps a database from being used: each a sentence with what to do, before anything is bought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.errors import StateInUse, StoreError

if TYPE_CHECKING:
    from runflowd.core.database import Database


class Unreachable(StoreError):
    """A database that cannot be connected to, or not as it is named."""

    def __init__(self, database: Database, error: Exception) -> None:
        super().__init__(
            f"{database}: cannot be opened ({' '.join(str(error).split())}). See that the server runs and can be "
            "reached, and that address, user, password file and certificates are right. Nothing is bought."
        )


class InUse(StateInUse):
    """Another process works on the database."""

    def __init__(self, database: Database, other: str) -> None:
        super().__init__(
            f"{database}: in use by another runflowd ({other}). Stop that one first, or give this one a database of "
            "its own with `state:`."
        )


class Unsuitable(StoreError):
    """A database that cannot hold the store; nothing in it was changed."""

    def __init__(self, database: Database, finding: str, remedy: str) -> None:
        super().__init__(f"{database}: {finding}. {remedy}. Nothing was changed, and nothing is bought.")
