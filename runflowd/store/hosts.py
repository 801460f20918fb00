"""Who works on the store: sessions that are seen again and again, or that hold a lock, and what dies with them.

A session is new with every start, whatever its machine is called. It lives until its `seen_until`, by the clock of the
database; nobody else's clock counts, and neither does how long any work takes. What it had claimed is its own as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from runflowd.core.fleet import LEASE, STOP_AFTER, HostView, from_text
from runflowd.errors import StoreError
from runflowd.store.claims import LeaseLost
from runflowd.store.connection import stored_value
from runflowd.store.gone_hosts import drop_returned, expire
from runflowd.store.leases import free_leases
from runflowd.system.processes import is_gone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runflowd.store.claims import Claim
    from runflowd.store.connection import Connection, Row


@dataclass(frozen=True, slots=True)
class Session:
    """One start on one machine. One that is `alone` has a lock that nobody else has, and need not be seen again.

    `process` is its `lasting_mark`: the next start on that machine knows by it that this one is gone.
    """

    id: str
    name: str
    alone: bool = True
    process: str = ""


@dataclass(frozen=True, slots=True)
class Host:
    """A session as it is on record. `left` is for how many seconds more it is alive; all times are the database's.

    For `throttled` seconds more the service asked it to wait. `facts` are as `core.fleet` reads them. `held` is what
    one that is gone had in hand (`core.holdings`).
    """

    session: str
    name: str
    since: float
    left: float
    throttled: float
    facts: str
    drained: bool
    at: float
    held: str

    @property
    def alive(self) -> bool:
        """Whether what it claimed is its own."""
        return self.left >= 0 and not self.held

    @property
    def view(self) -> HostView:
        """What the rules of who does what go by."""
        return HostView(self.session, self.name, self.drained, from_text(self.facts))


class Seen(NamedTuple):
    """A heartbeat: whether this session was alive until now, and whether others were found dead."""

    alive: bool
    freed: bool


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
    for row in connection.all("hosts_named", name=session.name):
        if row["session"] != session.id and is_gone(row["process"]):
            connection.run("drop_host", session=row["session"])
    _enter(connection, session, now)
    expire(connection, now)
    free_leases(connection, living(connection, now))


def _enter(connection: Connection, session: Session, now: float) -> None:
    values = {"name": session.name, "process": session.process, "seconds": None if session.alone else LEASE}
    connection.run("enter_host", session=session.id, **values, server_now=now)
    drop_returned(connection)


def see(connection: Connection, session: Session, facts: str, throttled: float, now: float) -> Seen:
    """Be seen for another lease, and let go of what the dead had claimed, all in one transaction.

    Who comes back from the dead has what nobody has taken over meanwhile. For `throttled` seconds more nothing is to be
    asked of the service.
    """
    alive = connection.one("hold_host", session=session.id, seconds=0.0, server_now=now) is not None
    if not alive:
        _enter(connection, session, now)
    values = {"session": session.id, "seconds": LEASE, "facts": facts, "throttled": throttled}
    connection.run("see_host", **values, server_now=now)
    freed = expire(connection, now)
    if freed:
        free_leases(connection, living(connection, now))
    return Seen(alive, freed)


def leave(connection: Connection, session: Session, now: float) -> None:
    """Be gone; what this session had claimed is free at once."""
    connection.run("drop_host", session=session.id)
    free_leases(connection, living(connection, now))


def living(connection: Connection, now: float) -> set[str]:
    """The sessions that live."""
    return {row["session"] for row in connection.all("living_hosts", server_now=now)}


def hold_to_act(connection: Connection, claim: Claim, session: str, now: float) -> None:
    """Ask at the last moment whether a claim is good and its session alive, by one statement.

    Raises `LeaseLost`, and `HostUnseen` where the session was not seen within `STOP_AFTER` seconds: nobody acts near
    its end.
    """
    (refusal,) = refusals_to_act(connection, [claim], session, now)
    if refusal is not None:
        raise refusal


def refusals_to_act(
    connection: Connection, claims: Sequence[Claim], session: str, now: float
) -> list[LeaseLost | HostUnseen | None]:
    """Ask the same for claims of one table, each by a statement of its own; what `hold_to_act` would raise for each."""
    asked = {"session": session, "seconds": LEASE - STOP_AFTER, "server_now": now}
    rows = [{**claim.values, **asked} for claim in claims]
    answers = connection.all_each(f"hold_{claims[0].table}_to_act", rows)
    return [_refusal(claim, answer[0], session) for claim, answer in zip(claims, answers, strict=True)]


def _refusal(claim: Claim, found: Row, session: str) -> LeaseLost | HostUnseen | None:
    if not found["held"]:
        return LeaseLost(claim)
    return None if found["seen"] else HostUnseen(session)


def hosts(connection: Connection, now: float) -> list[Host]:
    """Every session on record, by name."""
    found = [_host(row) for row in connection.all("hosts", server_now=now)]
    return sorted(found, key=lambda host: (host.name, host.since))


def _host(row: Row) -> Host:
    return Host(**{**dict(row), "drained": bool(row["drained"])})


def drain_key(name: str) -> str:
    """Under which key it is stored that a host is to take nothing on; it outlives a restart."""
    return f"drained:{name}"


def drain(connection: Connection, name: str) -> bool:
    """Let a host take nothing on any more; whether that is new."""
    new = stored_value(connection, "", drain_key(name)) is None
    connection.run("save_value", service="", key=drain_key(name), value="")
    drop_returned(connection)
    return new


def undo_drain(connection: Connection, name: str) -> bool:
    """Let a host take work on again; whether it was drained."""
    return connection.run("drop_value", service="", key=drain_key(name)) == 1
