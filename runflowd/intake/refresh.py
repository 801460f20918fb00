"""After an edit of a rule: items not yet sealed are bought as the rule now says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.errors import ConfigError
from runflowd.files import FileTrouble
from runflowd.intake.accept import arrival
from runflowd.intake.overrides import Overrides
from runflowd.intake.reading import BAD_OVERRIDE
from runflowd.store.arrivals import arrive_again, drop_ready, set_aside
from runflowd.store.items import item_from

if TYPE_CHECKING:
    from runflowd.context import Context
    from runflowd.intake.shelf import Shelf
    from runflowd.store import Connection
    from runflowd.store.items import Item

PAGE = 500


async def refresh_ready(context: Context, shelf: Shelf) -> None:
    """Word every unsealed item of the rule anew. Sealed ones keep the recipe they were sealed with.

    An item reworded may set free another that followed it, so this goes on until none is left.
    """

    def page(connection: Connection) -> int:
        rows = connection.all("ready_of_rule", rule=shelf.rule.name, snapshot=shelf.snapshot, limit=PAGE)
        for row in rows:
            _reword(connection, shelf, item_from(row), context.clock.wall())
        return len(rows)

    while await context.store.write(page):
        pass


def _reword(connection: Connection, shelf: Shelf, item: Item, now: float) -> None:
    if not shelf.matcher.matches(item.path):
        drop_ready(connection, item.id, now)
        return
    try:
        overrides = Overrides(shelf.rule).of(item.path.rpartition("/")[0])
    except (ConfigError, FileTrouble) as mistake:
        set_aside(connection, item.rule, item.path, item.stat, ItemState.WAITING, BAD_OVERRIDE, str(mistake), now)
        return
    anew = arrival(shelf, item.path, item.stat, item.content or "", item.mime, overrides)
    arrive_again(connection, item, anew, now)
