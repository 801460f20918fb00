"""News from the other hosts: whoever has written something says so, and who listens looks at once.

A hint and no more: it may be lost, late or about nothing, and everybody looks every second anyway.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from runflowd.core.database import Database

CHANNEL = "runflowd"

INTERVAL = 0.2
"""Seconds between two hints of one host: many commits are one."""


class Hints:
    """Says with a commit that there is news, not too often."""

    def __init__(self, session: str) -> None:
        self._session = session
        self._due = 0.0

    def send(self, raw: Any) -> None:
        """Put a hint into the transaction that is about to be committed."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + INTERVAL
            raw.execute("SELECT pg_notify(%s, %s)", [CHANNEL, self._session])


class Listener:
    """A connection that hears of the others; one that was lost is made anew."""

    def __init__(self, database: Database, session: str) -> None:
        self._database = database
        self._session = session
        self._raw: Any = None

    def wait(self, seconds: float) -> None:
        """Wait for news, at most so long. Blocking."""
        deadline = time.monotonic() + seconds
        try:
            if self._raw is None or self._raw.closed:
                self._raw = psycopg.connect(self._database.address, autocommit=True, connect_timeout=10)
                self._raw.execute(f"LISTEN {CHANNEL}")
            for news in self._raw.notifies(timeout=seconds):
                if news.payload != self._session:
                    return
        except psycopg.Error:
            self.close()
            time.sleep(max(0.0, deadline - time.monotonic()))

    def close(self) -> None:
        """Hear no more."""
        if self._raw is not None:
            with suppress(psycopg.Error):
                self._raw.close()
