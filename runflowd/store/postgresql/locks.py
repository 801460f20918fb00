"""What a connection keeps away from a database, and by which locks."""

from __future__ import annotations

from enum import Enum

LOCKS = 0x72756E66
"""The first half of the names of our locks in a database; the second is one of those below."""

WORKING, WRITING = 1, 2
"""Who works on the database at all, alone or with others, for as long as it is connected; whose turn it is to write."""

HOLDER = """
FROM pg_locks JOIN pg_stat_activity USING (pid) JOIN pg_database ON pg_database.oid = pg_locks.database
WHERE locktype = 'advisory' AND classid = %s AND objid = %s AND pg_database.datname = current_database()
"""
"""Who has one of them, or waits for it, as the end of a question."""


class Lock(Enum):
    """What a connection keeps away from the database for as long as it is open, by the names of the functions."""

    NONE = ""
    SHARED = "pg_try_advisory_lock_shared"
    """Whoever works on it alone."""
    ALONE = "pg_try_advisory_lock"
    """Everybody else who works on it."""
