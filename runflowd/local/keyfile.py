"""The key of a local service, in a file that only its owner reads: a port on loopback is open to every user."""

from __future__ import annotations

import os
import secrets
import stat
from typing import TYPE_CHECKING

from runflowd.local.blobs import private_folder

if TYPE_CHECKING:
    from pathlib import Path

NAME = "api-key"
"""The name of the file in the folder of the service."""

MAX_BYTES = 1024
"""Bytes of a key file that are read; a key has fewer."""


class UnusableKey(RuntimeError):
    """A key file that others can read, or that holds none."""

    def __init__(self, place: Path, why: str) -> None:
        super().__init__(f"{place} {why}. Remove it, and the next start makes a new one; clients need that then.")


def new_key() -> str:
    """A key that nobody guesses."""
    return secrets.token_urlsafe(32)


def key_in(folder: Path) -> str:
    """The key of a service that keeps its files in a folder; both are made if need be. Raises UnusableKey, OSError."""
    private_folder(folder.resolve())
    place = folder / NAME
    if not os.path.lexists(place):
        write_key(place, new_key())
    return _read(place)


def write_key(place: Path, key: str) -> None:
    """Put a key into a file for other programs of the same user. Raises OSError."""
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{key}\n")
    draft.replace(place)


def _read(place: Path) -> str:
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as trouble:
        raise UnusableKey(place, f"cannot be read ({trouble.strerror})") from trouble
    with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise UnusableKey(place, "is no plain file of this user that nobody else can read (mode 0600)")
        key = file.read(MAX_BYTES).strip()
    if not key or not key.isprintable() or " " in key:
        raise UnusableKey(place, "holds no key")
    return key
