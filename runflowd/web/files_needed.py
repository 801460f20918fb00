"""Whether the files that the listener needs can be used: the verdict of `check`, which is that of the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.web.certificate import Certificate
from runflowd.web.passwords import ensure_available
from runflowd.web.users_file import read_users

if TYPE_CHECKING:
    from runflowd.config.snapshot import Access


def ensure_served(access: Access) -> None:
    """Raise the `WebTrouble` that keeps this user from serving the page as configured. Blocking."""
    if access.certificate:
        Certificate(access.certificate, access.key)
    if access.users_file:
        ensure_available()
        read_users(access.users_file)
