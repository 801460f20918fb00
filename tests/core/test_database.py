"""Addresses of databases: what is taken, and that none holds a secret."""

from __future__ import annotations

import pytest

from runflowd.core.database import is_address, mistake_in


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://runflowd@db.example.com/runflowd",
        "postgres://runflowd@db.example.com:5433/runflowd?sslmode=verify-full&passfile=/etc/runflowd/pgpass",
        "postgresql:///runflowd?host=/run/postgresql",
        "postgresql://db.example.com?dbname=runflowd",
    ],
)
def test_an_address_as_libpq_takes_it_is_taken(address: str) -> None:
    """Over a network, by a socket, with options."""
    assert (True, "") == (is_address(address), mistake_in(address))


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://runflowd:hush-42@db.example.com/runflowd",
        "postgresql://db.example.com/runflowd?user=runflowd&password=hush-42",
        "postgresql://db.example.com/runflowd?sslpassword=hush-42",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(address: str) -> None:
    """Whoever may read the configuration would have it, and so would every log."""
    said = mistake_in(address)

    assert (True, True, False) == ("holds a password" in said, "passfile=FILE" in said, "hush" in said)


@pytest.mark.parametrize("address", ["postgresql://db.example.com", "postgresql://", "postgresql://[db/runflowd"])
def test_an_address_without_a_database_is_refused(address: str) -> None:
    """PostgreSQL would take one that is named as the user is."""
    assert "write postgresql://USER@HOST/DATABASE" in mistake_in(address)


@pytest.mark.parametrize("path", ["/var/lib/runflowd/state.db", "postgresql/state.db", "state"])
def test_a_path_is_none(path: str) -> None:
    """A file is what it was."""
    assert not is_address(path)
