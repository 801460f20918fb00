"""Hosts that died: what each had is kept on record until it is back, drained or removed, so that people hear of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.holdings import Holdings, to_text
from runflowd.store.duties import duties, in_hand

if TYPE_CHECKING:
    from runflowd.store.connection import Connection


def expire(connection: Connection, now: float) -> bool:
    """Note who is dead by now, and what it had, which is nobody's from then on. Whether anybody was."""
    dead = [row["session"] for row in connection.all("dead_hosts", server_now=now)]
    if dead:
        held, (batches, files) = duties(connection), in_hand(connection)
        for session in dead:
            mine = tuple(sorted(name for name, duty in held.items() if duty.owner == session))
            text = to_text(Holdings(mine, batches[session], files[session]))
            connection.run("host_is_gone", session=session, held=text)
        drop_returned(connection)
    return bool(dead)


def drop_returned(connection: Connection) -> None:
    """Forget who is gone and not missed: a host of that name lives, or is drained."""
    connection.run("drop_returned_hosts")


def forget_gone(connection: Connection, name: str) -> None:
    """Miss a host no longer that is gone."""
    connection.run("drop_gone_host", name=name)
