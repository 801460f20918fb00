"""Proving who somebody is: a name and a password against the file of users, not too often, one at a time."""

from __future__ import annotations

import hmac
import secrets
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import structlog

from runflowd.core.login_throttle import LoginThrottle
from runflowd.core.printable import excerpt
from runflowd.core.rate_counter import RateCounter
from runflowd.web import passwords
from runflowd.web.counted_socket import network_of
from runflowd.web.sessions import Sessions
from runflowd.web.users_file import UsersFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.web.page_state import PageState
    from runflowd.web.users_file import User

log = structlog.get_logger()

MOST_WAITING = 16
"""Tries that wait for the one that is being looked at: each takes 46 MiB for a moment."""

MOST_PROVEN = 64


class TooManyTries(Exception):
    """No password is looked at now; `wait` is in how many seconds one is."""

    def __init__(self, wait: float) -> None:
        self.wait = wait
        super().__init__(f"too many tries; the next one in {wait:.0f} s")


class Logins:
    """The users, and who has proven to be one of them."""

    def __init__(self, state: PageState) -> None:
        self._state = state
        self._file = UsersFile("")
        self._throttle = LoginThrottle()
        self._one_at_a_time = anyio.CapacityLimiter(1)
        self._proven: dict[bytes, User] = {}
        self._secret = secrets.token_bytes(32)
        self._rates: RateCounter[str] = RateCounter()
        self.sessions = Sessions()

    async def users(self) -> Mapping[str, User]:
        """The users as the file has them now. Raises `UsersUnusable`."""
        path = self._state.config().access.users_file
        if path != self._file.path:
            self._file = UsersFile(path)
        return await anyio.to_thread.run_sync(self._file.users)

    def token_for(self, name: str) -> str:
        """What stands in the forms of somebody who has no session: of a proxy's user, or of nobody yet."""
        return hmac.new(self._state.token.encode(), name.encode(), "sha256").hexdigest()

    async def prove(self, name: str, password: str, address: str, browser: str = "") -> User | None:
        """The user of this name if that is their password. Raises `TooManyTries`, `UsersUnusable`.

        `browser` is what `familiar_mark` gave to it. Whether there is such a user is not to be told from the answer,
        nor from the time that it takes.
        """
        user = (await self.users()).get(name)
        known = self._nonce(user, browser) if user else ""
        keys = [("browser", known)] if known else [("address", network_of(address)), ("user", name[:64])]
        now = self._state.context.clock.now()
        wait = self._throttle.attempt(keys, now)
        if wait or self._one_at_a_time.statistics().tasks_waiting >= MOST_WAITING:
            self._log_failure("login.throttled", "tries to log in are held back", name, address)
            raise TooManyTries(wait or 1.0)
        look = partial(passwords.matches, user.password if user else "", password[: passwords.MOST])
        if not await anyio.to_thread.run_sync(look, limiter=self._one_at_a_time):
            self._log_failure("login.refused", "somebody gave a wrong name or password", name, address)
            return None
        self._throttle.succeeded(keys)
        return user

    async def prove_again(self, name: str, password: str, address: str) -> User | None:
        """The same for a program that says its password each time: one that was right is remembered."""
        key = hmac.digest(self._secret, f"{name}\0{password}".encode("utf-8", "replace"), "sha256")
        proven = self._proven.get(key)
        if proven is not None and (await self.users()).get(name) == proven:
            return proven
        user = await self.prove(name, password, address)
        if user is not None:
            self._proven = dict([*self._proven.items(), (key, user)][-MOST_PROVEN:])
        return user

    def familiar_mark(self, user: User) -> str:
        """What a browser keeps after its user has logged in, until they have another password."""
        nonce = secrets.token_urlsafe(12)
        return f"{nonce}.{_signed(user, nonce)}"

    def _nonce(self, user: User, mark: str) -> str:
        nonce, _, signature = mark.partition(".")
        same = hmac.compare_digest(signature.encode("utf-8", "replace"), _signed(user, nonce).encode())
        return nonce if same and user.password else ""

    def _log_failure(self, action: str, sentence: str, name: str, address: str) -> None:
        if count := self._rates.note(action, self._state.context.clock.now()):
            log.warning(sentence, action=action, who=excerpt(name, 64), address=address, count=count)


def _signed(user: User, nonce: str) -> str:
    # Of the hash of the password, so that it ends with that password, and nobody else can make it.
    return hmac.new(user.password.encode(), f"{user.name}\0{nonce}".encode("utf-8", "replace"), "sha256").hexdigest()
