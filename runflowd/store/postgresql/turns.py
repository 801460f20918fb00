"""Whose turn it is to write: by a lock of the database, and never that of one who stands still.

The server throws out a transaction that stands still between two requests (`settings.STANDSTILL`). In the middle of
statements that were sent together it has no clock for that before version 17: a process that is stopped just there
would keep all others waiting for as long as its machine answers for it. So whoever waits ends its connection.
"""

from __future__ import annotations

import time
from typing import Any

from psycopg import errors

from runflowd.store.postgresql.locks import HOLDER, LOCKS, WRITING
from runflowd.store.postgresql.settings import STANDSTILL, TURN

_END = f"""
SELECT pg_terminate_backend(pid, 5000) {HOLDER} AND granted
AND wait_event_type = 'Client' AND clock_timestamp() - state_change > make_interval(secs => %s)
"""


def take_turn(raw: Any, standstill: float = STANDSTILL + 1.0) -> str:
    """Begin a transaction once no other one writes; its number. Raises `LockNotAvailable` after `TURN` seconds.

    Who has not sent anything in `standstill` seconds loses its turn.
    """
    # Whatever the server's default is: what others did before this turn is seen by every statement after it.
    begin = f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = {round(standstill * 1000)}"
    take = f"SELECT pg_advisory_xact_lock({LOCKS}, {WRITING}), pg_current_xact_id()::text"
    deadline = time.monotonic() + TURN
    while True:
        try:
            answers = raw.execute(f"{begin}; {take}; SET LOCAL lock_timeout = 0")
            answers.nextset()
            answers.nextset()
            return str(answers.fetchone()[1])
        except errors.LockNotAvailable:
            raw.execute("ROLLBACK")
            if time.monotonic() > deadline:
                raise
            raw.execute(_END, [LOCKS, WRITING, standstill])
