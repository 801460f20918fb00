"""`on_delete: remove`: an input that stays deleted takes its output along."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from runflowd import files
from runflowd.core.model import OnDelete
from runflowd.store.history import record
from runflowd.store.items import item_from
from runflowd.store.outputs import forget_output, outputs_of
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.core.model import Rule
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection
    from runflowd.store.items import Item
    from runflowd.store.outputs import Output

log = structlog.get_logger()

GRACE = 60.0
"""Seconds that an input must be gone. A rename looks like a deletion first, and its result moves along."""

PAGE = 100


async def remove_outputs(context: Context, rule: Rule) -> None:
    """Remove the untouched outputs of inputs that were deleted a while ago."""
    if rule.on_delete is not OnDelete.REMOVE:
        return
    before, after = context.clock.wall() - GRACE, 0
    while items := await context.store.read(partial(_absent, rule=rule.name, before=before, after=after)):
        await _remove_of(context, rule, items)
        after = items[-1].id


def _absent(connection: Connection, rule: str, before: float, after: int) -> list[Item]:
    rows = connection.all("absent_done", rule=rule, before=before, after=after, limit=PAGE)
    return [item_from(row) for row in rows]


async def _remove_of(context: Context, rule: Rule, items: list[Item]) -> None:
    for item in items:
        for output in await context.store.read(partial(outputs_of, item=item.id)):
            try:
                removed = await context.io.written(rule).write(_remove, output)
            except files.FileError as error:
                log.warning(str(error), action="output.stuck", rule=rule.name)
                continue  # it stays on record, and the next rescan tries again
            reach("output.removed")
            await context.store.write(partial(_forget, output=output, removed=removed, now=context.clock.wall()))
            log.info("removed" if removed else "kept", action="output.removed", rule=rule.name, path=str(output.path))


def _forget(connection: Connection, output: Output, now: float, *, removed: bool) -> None:
    forget_output(connection, output.path, by=None)
    what = "was removed with it" if removed else "is kept: somebody edited or removed it"
    record(connection, output.item, now, f"the file stayed deleted, and its result {output.path} {what}")


def _remove(output: Output) -> bool:
    """Remove a file if it still is what runflowd wrote; an edited one belongs to whoever edited it.

    Raises FileError when the disk does not let it be looked at or removed.
    """
    try:
        return files.remove_written(*output.path, output.content_hash)
    except (files.Changed, files.Missing):
        return False
