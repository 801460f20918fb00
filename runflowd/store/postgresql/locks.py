"""What a connection keeps away from a database."""

from __future__ import annotations

from enum import Enum


class Lock(Enum):
    """What a connection keeps away from the database for as long as it is open, by the names of the functions."""

    NONE = ""
    SHARED = "pg_try_advisory_lock_shared"
    """Whoever works on it alone."""
    ALONE = "pg_try_advisory_lock"
    """Everybody else who works on it."""
