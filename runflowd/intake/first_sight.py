"""A rule that this state file has never seen: what lies in its folder may be old, and may have been bought already.

Under `existing: skip` it is recorded and left alone. Otherwise it is new work, unless its results lie in the
output folder: then the state file was lost, or the rule renamed, and a person decides before money moves.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import anyio.to_thread
import structlog

from runflowd import files
from runflowd.core.model import Existing
from runflowd.core.naming import EXTENSIONS, UnsafePathError, output_path
from runflowd.store.facts import fact
from runflowd.store.pauses import pause, pauses, resume

if TYPE_CHECKING:
    from runflowd.context import Context
    from runflowd.intake.look import Looking
    from runflowd.intake.shelf import Shelf
    from runflowd.store import Connection

log = structlog.get_logger()

ASKED, SEEN = "asked", "yes"

FOLDERS = 2_000
"""Folders looked at for results of an earlier life; the first match is enough."""


class FirstSight:
    """Decides once for each rule whether what lies there may be taken."""

    def __init__(self, context: Context, looking: Looking) -> None:
        self._context = context
        self._looking = looking

    async def opens(self, shelf: Shelf) -> bool:
        """Whether the rule's folder may be looked at; False while a person is asked."""
        rule = shelf.rule
        subject = f"rule-seen:{rule.name}"
        seen, paused = await self._context.store.read(lambda connection: _known(connection, subject, rule.name))
        if seen == SEEN:
            return True
        if rule.existing is Existing.SKIP:
            await self._looking.skip_all(shelf)
        elif seen == ASKED:
            if paused:
                return False
        elif found := await anyio.to_thread.run_sync(_earlier_result, shelf):
            await self._ask(rule.name, subject, rule.output, found)
            return False
        await self._context.store.write(lambda connection: _open(connection, subject, rule.name, was_asked=bool(seen)))
        return True

    async def _ask(self, rule: str, subject: str, output: str, found: str) -> None:
        reason = (
            f"this state file does not know the rule, but {output} has results for it already, such as {found}: "
            "put the old state file back, keep them with `existing: skip`, or resume to buy them anew"
        )

        def write(connection: Connection) -> None:
            connection.run("save_fact", service="", subject=subject, value=ASKED)
            pause(connection, rule, reason, self._context.clock.wall())

        await self._context.store.write(write)
        log.error(reason, action="rule.paused", rule=rule)


def _known(connection: Connection, subject: str, rule: str) -> tuple[str | None, bool]:
    return fact(connection, "", subject), any(each.rule == rule for each in pauses(connection))


def _open(connection: Connection, subject: str, rule: str, *, was_asked: bool) -> None:
    connection.run("save_fact", service="", subject=subject, value=SEEN)
    if was_asked:
        resume(connection, rule)


def _earlier_result(shelf: Shelf) -> str:
    """A result in the output folder that belongs to a file in the watched one; "" when there is none. Blocking."""
    rule = shelf.rule
    walking = files.walk(rule.watch, enter=lambda path: not shelf.matcher.prunes(path))
    for listing in islice(walking, FOLDERS):
        standing = files.scan_directory(rule.output, listing.relative).files
        for path in (listing.path_of(name) for name in listing.files if standing):
            if shelf.matcher.matches(path) and (found := _result_of(shelf, path, set(standing))):
                return found
    return ""


def _result_of(shelf: Shelf, path: str, standing: set[str]) -> str:
    try:
        names = (output_path(shelf.rule, path, extension) for extension in EXTENSIONS.values())
        return next((name for name in names if name.rpartition("/")[2] in standing), "")
    except UnsafePathError:
        return ""
