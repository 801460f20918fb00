"""Who is logged in. Sessions live in this process, so a restart ends them; nobody can bring one of their own."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.web.users_file import User

IDLE = 2 * 3600.0
"""Seconds without a sign of the person after which a session ends. A page that renews itself is no such sign."""

LONGEST = 12 * 3600.0
"""Seconds after which they log in again whatever they do."""

MOST_OF_ONE = 20
"""Sessions of one user; another one ends the one that was left alone longest."""


@dataclass(slots=True)
class Session:
    """A user as they were when they logged in, and the token of their forms. Times are monotonic seconds."""

    user: User
    started: float
    used: float
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)


class Sessions:
    """All sessions, by the hash of what the browser keeps."""

    def __init__(self) -> None:
        self._sessions: dict[bytes, Session] = {}

    def open(self, user: User, now: float) -> str:
        """Begin a session; give the secret for the cookie."""
        own = sorted((each.used, key) for key, each in self._sessions.items() if each.user.name == user.name)
        for _, key in own[: max(0, len(own) - MOST_OF_ONE + 1)]:
            del self._sessions[key]
        secret = secrets.token_urlsafe(32)
        self._sessions[_key(secret)] = Session(user, now, now)
        return secret

    def find(self, secret: str, users: Mapping[str, User], now: float, *, person: bool) -> Session | None:
        """The session of a secret, unless its time is over or its user was removed or changed since.

        `person` says that it was somebody's doing, and not a page that renews itself.
        """
        session = self._sessions.get(_key(secret))
        if session is None:
            return None
        over = now - session.used >= IDLE or now - session.started >= LONGEST
        if over or users.get(session.user.name) != session.user:
            self.close(secret)
            return None
        if person:
            session.used = now
        return session

    def close(self, secret: str) -> None:
        """Log out."""
        self._sessions.pop(_key(secret), None)


def _key(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
