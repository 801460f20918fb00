"""Passwords, kept as Argon2id hashes. The one home of argon2, which the extra `users` brings."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from runflowd.system.installing import install_command
from runflowd.web.trouble import WebTrouble

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LEAST = 12
"""Characters of a password. NIST SP 800-63B asks for 8 where it is one of two factors; here it is the only one."""

MOST = 512

_MEMORY = 47104
"""KiB for one hash, in one pass: the first choice of the OWASP Password Storage Cheat Sheet."""


class PasswordsUnavailable(WebTrouble):
    """The library that hashes passwords is not installed."""

    code = "USERS_UNUSABLE"
    place = "web.users_file"
    exit_code = 78

    def __init__(self) -> None:
        super().__init__(f"argon2 is not installed here, and users need it; run `{install_command('users')}`")


def ensure_available() -> None:
    """Raise `PasswordsUnavailable` where no password could be told right from wrong."""
    if find_spec("argon2") is None:
        raise PasswordsUnavailable


def hashed(password: str) -> str:
    """What is kept of a password; a different text each time. Takes 46 MiB and some 60 ms. Raises as above."""
    return str(_hasher().hash(password))


def matches(kept: str, password: str) -> bool:
    """Whether the password is the one of which this was kept; with "", of nobody, False after as much work."""
    from argon2.exceptions import Argon2Error, InvalidHashError  # noqa: PLC0415  of an extra

    try:
        return _hasher().verify(kept or _nobody(), password) and bool(kept)
    except (Argon2Error, InvalidHashError):
        return False


def is_hash(text: str) -> bool:
    """Whether a text has the form of what `hashed` gives."""
    return text.startswith("$argon2id$") and len(text) < 300 and text.isascii() and text.isprintable()


@cache
def _hasher() -> PasswordHasher:
    ensure_available()
    from argon2 import PasswordHasher  # noqa: PLC0415  of an extra

    return PasswordHasher(time_cost=1, memory_cost=_MEMORY, parallelism=1)


@cache
def _nobody() -> str:
    return hashed("")
