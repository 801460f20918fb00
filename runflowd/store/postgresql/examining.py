"""What a database is like: what its durability and its clock are set to, asked and not changed."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

import psycopg

from runflowd.store.postgresql.connection import PostgresConnection
from runflowd.store.postgresql.refusals import refusal
from runflowd.store.postgresql.schema import find_schema, migrations

if TYPE_CHECKING:
    from runflowd.core.database import Database


@dataclass(frozen=True, slots=True)
class Examined:
    """The schema that is there (0 for none) and the newest that is known, the server and its settings as it says them.

    `may_create` says whether the role may make tables.
    `ahead` is by how many seconds its clock is ahead of ours; `encrypted` is None where no network lies between.
    """

    schema: int
    known: int
    version: str
    settings: dict[str, str]
    ahead: float
    encrypted: bool | None
    may_create: bool


SETTINGS = ("fsync", "full_page_writes", "synchronous_commit", "default_transaction_read_only")


def is_network(address: str) -> bool:
    """Whether others may hear what goes to an address; a socket in a folder has none."""
    return bool(address) and not ip_address(address).is_loopback


def examine(database: Database) -> Examined:
    """Ask a database about itself. Raises `StoreError` for one that cannot be used."""
    try:
        with closing(PostgresConnection(database)) as connection:
            schema, raw = find_schema(connection, database), connection.raw
            before = time.time()
            theirs = float(
                raw.execute("SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)").fetchone()[0]
            )
            after = time.time()
            return Examined(
                schema,
                max(migrations()),
                raw.info.parameter_status("server_version"),
                {name: raw.execute(f"SHOW {name}").fetchone()[0] for name in SETTINGS},
                theirs - (before + after) / 2,
                bool(raw.pgconn.ssl_in_use) if is_network(raw.info.hostaddr) else None,
                raw.execute("SELECT has_schema_privilege('public', 'CREATE')").fetchone()[0],
            )
    except psycopg.Error as error:
        raise refusal(database, error) from error
