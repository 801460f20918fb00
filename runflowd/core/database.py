"""A database on a server, as a configuration names it: by an address in which no secret stands."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

SCHEMES = ("postgresql://", "postgres://")


@dataclass(frozen=True, slots=True)
class Database:
    """Where it is, as libpq takes it ("Connection URIs" in PostgreSQL's manual), which also reads the password."""

    address: str

    def __str__(self) -> str:
        return self.address


def is_address(text: str) -> bool:
    """Whether a text means a database, and not a file."""
    return text.startswith(SCHEMES)


def mistake_in(address: str) -> str:
    """What is wrong with an address, in words that follow where it stands and do not repeat it; "" if nothing is."""
    try:
        parts = urlsplit(address)
        options = parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        return "is no address of a database; write postgresql://USER@HOST/DATABASE"
    if parts.password is not None or any("password" in name for name in options):
        return (
            "holds a password, which everybody sees who may read this file; put it into a file of libpq's form "
            "(HOST:PORT:DATABASE:USER:PASSWORD, mode 0600), and name that: postgresql://USER@HOST/DATABASE?passfile=FILE"
        )
    if not parts.path.strip("/") and "dbname" not in options:
        return "names no database; write postgresql://USER@HOST/DATABASE"
    return ""
