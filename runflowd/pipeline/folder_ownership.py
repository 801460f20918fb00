"""Two daemons with two states over one output folder know nothing of each other: each buys for itself.

So each puts an owner tag with the identity of its state on the folders that it writes into. Whoever finds the tag of
another that still works there reports it; a tag of one that is gone is replaced. Nobody connects to a database that a
tag names: whoever may write to the folder may have written it.
"""

from __future__ import annotations

import socket
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from runflowd import files
from runflowd.core.database import Database, is_address
from runflowd.core.incident_scope import ScopeKind
from runflowd.errors import StoreError
from runflowd.observability.incidents import IncidentReport
from runflowd.store.connection import stored_value
from runflowd.store.state_file import holder
from runflowd.system.processes import is_alive, process_mark

if TYPE_CHECKING:
    from runflowd.core.model import Rule
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection
    from runflowd.system.paths import Place


CHECK_INTERVAL = 300.0
"""Seconds between two checks of the tags."""

IDENTITY_KEY = "state-identity"


@dataclass(frozen=True, slots=True)
class Owner:
    """A state: its identity, which moves along with it, the machine and the place where it was last seen.

    `process` is who worked on it there (`process_mark`), where it is a database: no lock of this machine says so.
    """

    identity: str
    host: str
    state: str
    process: str = ""

    def tag(self, inode: int) -> str:
        """What is written to a folder; a copy of the folder has another inode, and so no owner."""
        place = f"{self.state}\n{self.process}" if self.process else self.state
        return "\n".join((self.identity, str(inode), self.host, place))

    def works_beside(self, other: Owner) -> bool:
        """Whether it works on this machine, if its machine is this one, and not in the place of the other."""
        if self.process:
            return is_alive(self.process)
        return self.state != other.state and holder(Path(self.state)) is not None


def owner_at(place: Place, identity: str) -> Owner:
    """The owner that this process is."""
    host = socket.gethostname()
    if isinstance(place, Database):
        return Owner(identity, host, str(place).partition("?")[0], process_mark())
    return Owner(identity, host, str(place.resolve()))


def owner_from(tag: str, inode: int) -> Owner | None:
    """The owner that a tag names, None where it is no tag of this folder."""
    parts = tag.split("\n", 3)
    if len(parts) != 4 or parts[1] != str(inode):
        return None
    identity, _, host, place = parts
    if is_address(place):
        state, _, process = place.partition("\n")
        return Owner(identity, host, state, process or "0 0")
    return Owner(identity, host, place)


async def claim_outputs(context: Context) -> None:
    """Tag the output folders of all rules and check for other owners' tags until cancelled."""
    under_way: set[str] = set()
    async with anyio.create_task_group() as group:
        while True:
            for rule in context.rules.values():
                if rule.output not in under_way:
                    under_way.add(rule.output)
                    group.start_soon(_claim, context, rule, under_way)
            await anyio.sleep(CHECK_INTERVAL)


async def _claim(context: Context, rule: Rule, under_way: set[str]) -> None:
    """Tag one folder; where it does not answer, no other one waits for it."""
    try:
        identity = await context.store.write(_identity)
        us = owner_at(context.store.place, identity)
        await _report(context, rule, await context.io.written(rule).read(_other_owner, rule.output, us))
    except StoreError as error:
        context.log_throttle.error(str(error), action="store.failed", stage="ownership")
    finally:
        under_way.discard(rule.output)


def _identity(connection: Connection) -> str:
    """The identity of this state, given when it is first asked for."""
    known = stored_value(connection, "", IDENTITY_KEY)
    if known is None:
        known = uuid.uuid4().hex
        connection.run("save_value", service="", key=IDENTITY_KEY, value=known)
    return known


def _other_owner(folder: str, us: Owner) -> Owner | None:
    """Who else works on a folder; it is tagged as ours when nobody does. Blocking."""
    identity = files.root_identity(folder)
    if identity is None:
        return None
    them = owner_from(files.owner_tag(folder), identity[1])
    if them is not None and them.identity != us.identity and (them.host != us.host or them.works_beside(us)):
        return them
    if files.owner_tag(folder) != us.tag(identity[1]):
        files.set_owner_tag(folder, us.tag(identity[1]))
    return None


async def _report(context: Context, rule: Rule, them: Owner | None) -> None:
    if them is None:
        await context.incidents.resolve(ScopeKind.OWNER.of(rule.name))
        return
    await context.incidents.report(
        IncidentReport(
            ScopeKind.OWNER.of(rule.name),
            "OUTPUT_SHARED",
            f"rule {rule.name}: the runflowd with the state {them.state} on {them.host} writes into "
            f"{rule.output}, too; what both find is bought twice",
            "Let one of the two do this folder. If the other is gone for good: "
            f"setfattr -x user.runflowd.owner {rule.output}",
            slowest=CHECK_INTERVAL,
        )
    )
