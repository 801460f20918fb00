"""The hosts that work on the store as people see them: who lives, what each does, and how much it has in hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from runflowd.core import fleet
from runflowd.core.printable import printable
from runflowd.store.duties import duties, in_hand
from runflowd.store.hosts import hosts
from runflowd.store.state_file import holder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runflowd.store import Connection
    from runflowd.store.hosts import Host
    from runflowd.system.paths import Place


def hosts_at(connection: Connection, place: Place, now: float) -> list[Host]:
    """The hosts on record; a state file has none that no process works on, and who was killed left its record there."""
    return [] if isinstance(place, Path) and holder(place) is None else hosts(connection, now)


def host_rows(connection: Connection, known: Sequence[Host]) -> list[dict[str, Any]]:
    """A row for each of the `known` hosts that lives, or is gone and missed, as plain JSON.

    `since` is epoch seconds; `batches` and `files` are in hand.
    `intake` has the rules whose intake it does; `unseen` those whose watched folder, and `undelivered` those whose
    results, it has no folder for. `waiting` are the rules of a drained host that no other one has the folders of.
    `seen_ago` is for how many seconds the database has not heard of it, None for one that works alone.
    """
    held = duties(connection)
    batches, files = in_hand(connection)
    rows = []
    found = [host for host in known if host.alive or host.held]
    views = [host.view for host in found if host.alive]
    for host in found:
        facts = host.view.rules
        mine = {name for name, duty in held.items() if duty.owner == host.session}
        rows.append(
            {
                "name": printable(host.name),
                "session": host.session,
                "since": host.since,
                "state": _state(host),
                "intake": sorted(rule for rule in facts if fleet.intake_of(rule) in mine),
                "messages": fleet.NOTIFY in mine,
                "unseen": sorted(rule for rule, each in facts.items() if each.looked and not each.watch),
                "undelivered": sorted(rule for rule, each in facts.items() if each.looked and not each.places),
                "waiting": fleet.left_waiting(host.name, views) if host.drained else [],
                "seen_ago": _seen_ago(host),
                "batches": batches[host.session],
                "files": files[host.session],
            }
        )
    return rows


def _state(host: Host) -> str:
    if host.held:
        return "gone"
    return "drained" if host.drained else "working"


def _seen_ago(host: Host) -> float | None:
    return None if host.left > fleet.LEASE else round(fleet.LEASE - host.left, 1)


def hosts_of_rules(connection: Connection, known: Sequence[Host]) -> dict[str, str]:
    """The host of each rule, as far as one of the `known` has it.

    That is the one that does its intake, or else one that is configured for it.
    """
    found: dict[str, str] = {}
    names: dict[str, str] = {}
    for host in sorted(known, key=lambda each: each.alive):
        names[host.session] = host.name
        found |= dict.fromkeys(host.view.rules, host.name)
    held = {name: names[duty.owner] for name, duty in duties(connection).items() if duty.owner in names}
    return {rule: printable(held.get(fleet.intake_of(rule), name)) for rule, name in found.items()}
