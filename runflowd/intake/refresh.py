"""After an edit of a rule: items not yet sealed are bought as the rule now says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.intake.accept import arrival
from runflowd.store.items import arrive_again, item_from

if TYPE_CHECKING:
    from runflowd.context import Context
    from runflowd.intake.shelf import Shelf
    from runflowd.store import Connection

PAGE = 500


async def refresh_ready(context: Context, shelf: Shelf) -> None:
    """Word every unsealed item of the rule anew. Sealed ones keep the recipe they were sealed with."""
    rule, snapshot = shelf.rule, shelf.snapshot

    def page(connection: Connection) -> int:
        rows = connection.all("ready_of_rule", rule=rule.name, snapshot=snapshot, limit=PAGE)
        for row in rows:
            item = item_from(row)
            anew = arrival(rule, snapshot, item.path, item.stat, item.content or "", item.mime)
            arrive_again(connection, item, anew, context.clock.wall())
        return len(rows)

    while await context.store.write(page) == PAGE:
        pass
