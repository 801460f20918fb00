"""What kept a database from being opened, as a sentence with what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import errors

from runflowd.store.postgresql.connecting import Occupied, TooOld
from runflowd.store.postgresql.errors import OLDEST_SERVER, InUse, Unreachable, Unsuitable

if TYPE_CHECKING:
    import psycopg

    from runflowd.core.database import Database
    from runflowd.errors import StoreError


def refusal(database: Database, error: psycopg.Error) -> StoreError:
    """The error to be raised in place of the driver's."""
    match error:
        case Occupied():
            return InUse(database, str(error))
        case TooOld():
            return Unsuitable(database, f"its server is PostgreSQL {error}", f"Use PostgreSQL {OLDEST_SERVER} or newer")
        case errors.InsufficientPrivilege():
            said = " ".join(str(error).split())
            remedy = "Let it own the database, and the tables that are there: ALTER DATABASE NAME OWNER TO USER"
            return Unsuitable(database, f"its role may not do all that is needed ({said})", remedy)
    return Unreachable(database, error)
