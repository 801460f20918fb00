"""What keeps a database from being used: each a sentence with what to do, before anything is bought."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from runflowd.errors import StateInUse, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.core.database import Database


OLDEST_SERVER = 14
"""The major version from which on everything is there that is used, as of PostgreSQL's documentation."""

REMEDIES = (
    (
        "password authentication failed|no password supplied",
        (
            "Correct the line of this host, database and user in the password file that `passfile=` names, which is "
            "read only with mode 0600 and as the daemon's user"
        ),
    ),
    ("no pg_hba.conf entry", "Let this machine, user and database in by a line of the server's pg_hba.conf"),
    ('role ".*" does not exist', "Make that role on the server: createuser NAME"),
    (
        'database ".*" does not exist',
        "Make that database on the server: createdb --owner=USER --encoding=UTF8 --template=template0 NAME",
    ),
    (
        "too many|connection slots",
        (
            "Raise max_connections of the server, or the limit of this role or database, or end others: a daemon holds "
            "two connections, and a command one"
        ),
    ),
    (
        "certificate|SSL|TLS",
        (
            "See that sslrootcert names the file of who signed the server's certificate, that this is made out to the "
            "host in the address, and that the server has ssl = on"
        ),
    ),
    ("upgraded to schema", "Stop this daemon, install the version that the other hosts have, and start it again"),
    ("permission denied", "Let the role do this: ALTER DATABASE NAME OWNER TO USER"),
    ("unsupported startup parameter", "Name the server itself: a pooler between does not keep what holds a session"),
    ("starting up|shutting down|recovery", "Wait until the server is up"),
    ("No space left|could not extend|disk full", "Free space on the disk of the server"),
    (
        "read-only transaction",
        (
            "See why the server takes no changes: it is a replica, or default_transaction_read_only is on, as when its "
            "disk is nearly full"
        ),
    ),
    ("translate host name|resolve", "Correct the host in the address, or the name service"),
)
"""What to do, by a pattern in what the server or its library says (src/backend/utils/init/postinit.c and libpq)."""

ELSEWISE = "See that the server runs and can be reached, and that the address is right"


VARIABLE_SET = (
    "The environment variable PGPASSWORD is set, which goes before the password file that `passfile=` names: unset it, "
    "or correct it"
)


def remedy_for(said: str, environment: Mapping[str, str] = os.environ) -> str:
    """What to do about what a server said; it may say it in another language, and then the usual."""
    if "password authentication failed" in said and environment.get("PGPASSWORD"):
        return VARIABLE_SET
    return next((remedy for pattern, remedy in REMEDIES if re.search(pattern, said)), ELSEWISE)


class Unreachable(StoreError):
    """A database that cannot be connected to, or not as it is named."""

    def __init__(self, database: Database, error: Exception) -> None:
        said = " ".join(str(error).split())
        super().__init__(f"{database}: cannot be opened ({said}). {remedy_for(said)}. Nothing is bought.")


class InUse(StateInUse):
    """Another process works on the database."""

    def __init__(self, database: Database, other: str) -> None:
        super().__init__(
            f"{database}: in use by another runflowd ({other}). Stop that one first, or give this one a database of "
            "its own with `state:`. Several share one where each is `runflowd run` of the same version with a hosted "
            "service; `sync`, `service: local` and an upgrade need it for themselves."
        )


class Unsuitable(StoreError):
    """A database that cannot hold the store; nothing in it was changed."""

    def __init__(self, database: Database, finding: str, remedy: str) -> None:
        super().__init__(f"{database}: {finding}. {remedy}. Nothing was changed, and nothing is bought.")
