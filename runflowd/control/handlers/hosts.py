"""The hosts that work on the store, and draining one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.control.command_context import flag, text
from runflowd.control.refusal import CommandRefused
from runflowd.core.printable import printable
from runflowd.core.suggestion import unknown_name
from runflowd.observability.hosts import host_rows, hosts_at
from runflowd.store.gone_hosts import forget_gone
from runflowd.store.hosts import drain, undo_drain

if TYPE_CHECKING:
    from runflowd.control.command_context import Answer, CommandContext, Parameters


def list_hosts(context: CommandContext, parameters: Parameters) -> Answer:  # noqa: ARG001  it has none
    """Every host that lives, with what it does, and those that are gone."""
    return {"hosts": host_rows(context.connection, hosts_at(context.connection, context.place, context.now))}


def drain_host(context: CommandContext, parameters: Parameters) -> Answer:
    """Let the host `name` take nothing on; with `undo` again. Whether that is `new`.

    `waiting` are its rules that no other host can do.
    """
    name = text(parameters, "host") or ""
    if flag(parameters, "undo"):
        return {"name": name, "new": undo_drain(context.connection, name), "waiting": []}
    known = {host.name for host in hosts_at(context.connection, context.place, context.now) if host.alive or host.held}
    if name not in known:
        raise CommandRefused(unknown_name("host", name, sorted(known)), 2)
    new = drain(context.connection, name)
    rows = host_rows(context.connection, hosts_at(context.connection, context.place, context.now))
    waiting = [rule for row in rows if row["name"] == printable(name) for rule in row["waiting"]]
    return {"name": name, "new": new, "waiting": waiting}


def remove_host(context: CommandContext, parameters: Parameters) -> Answer:
    """Miss the host `name` no longer, which is gone and will not come back."""
    name = text(parameters, "host") or ""
    found = hosts_at(context.connection, context.place, context.now)
    if any(host.alive for host in found if host.name == name):
        raise CommandRefused(f"host {printable(name)} lives; stop runflowd there, and it leaves by itself")
    gone = {host.name for host in found if host.held}
    if name not in gone:
        raise CommandRefused(unknown_name("host that is gone", name, sorted(gone)), 2)
    forget_gone(context.connection, name)
    return {"name": name}
