"""Who works on the store: sessions that are seen again and again, or that hold a lock, and what dies with them.

A session is new with every start, whatever its machine is called. It lives until its `seen_until`, by the clock of the
database; nobody else's clock counts, and neither does how long any work takes. What it had claimed is its own as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.core.fleet import LEASE, STOP_AFTER
from runflowd.errors import StoreError
from runflowd.store.claims import hold
from runflowd.store.leases import free_leases

if TYPE_CHECKING:
    from runflowd.store.claims import Claim
    from runflowd.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Session:
    """One start on one machine. One that is `alone` has a lock that nobody else has, and need not be seen again."""

    id: str
    name: str
    alone: bool = True


class HostUnseen(StoreError):
    """This host was not seen by the database for too long: others may have taken over, so it does nothing."""

    def __init__(self, session: str) -> None:
        super().__init__(
            f"this host (session {session[:12]}) was not seen by the database for {STOP_AFTER:g} s: it buys and places "
            "nothing until it is, and what was taken over meanwhile is left to the other host"
        )


def enter(connection: Connection, session: Session, now: float) -> None:
    """Be on record as alive, and let go of what the dead had claimed. `now` counts where the store has no clock."""
    connection.run("drop_other_hosts" if session.alone else "drop_locked_hosts", session=session.id)
    connection.run("drop_dead_hosts", server_now=now)
    _enter(connection, session, now)
    free_leases(connection, living(connection, now))


def _enter(connection: Connection, session: Session, now: float) -> None:
    seconds = None if session.alone else LEASE
    connection.run("enter_host", session=session.id, name=session.name, seconds=seconds, server_now=now)


def living(connection: Connection, now: float) -> set[str]:
    """The sessions that live."""
    return {row["session"] for row in connection.all("living_hosts", server_now=now)}


def require_seen(connection: Connection, session: str, now: float) -> None:
    """Raise `HostUnseen` where the session was not seen within `STOP_AFTER` seconds: nobody acts near its end."""
    seconds = LEASE - STOP_AFTER
    if connection.one("hold_host", session=session, seconds=seconds, server_now=now) is None:
        raise HostUnseen(session)


def hold_to_act(connection: Connection, claim: Claim, session: str, now: float) -> None:
    """Ask at the last moment whether a claim is good and its session alive. Raises `LeaseLost` and `HostUnseen`."""
    hold(connection, claim)
    require_seen(connection, session, now)
