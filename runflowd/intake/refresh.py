"""After an edit of a rule: items of which nothing was bought are bought as the rule now says."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.core.rules import BAD_OVERRIDE
from runflowd.errors import ConfigError
from runflowd.files import FileTrouble
from runflowd.intake.accept import arrival
from runflowd.intake.overrides import Overrides
from runflowd.store.arrivals import arrive_again, drop_ready, set_aside
from runflowd.store.items import item_from

if TYPE_CHECKING:
    from runflowd.context import Context
    from runflowd.intake.shelf import Shelf
    from runflowd.store import Connection
    from runflowd.store.items import Item

PAGE = 500


async def refresh_ready(context: Context, shelf: Shelf) -> None:
    """Word every unsealed item of the rule anew; dispatch puts those back that were sealed and not bought.

    An item reworded may set free another that followed it, so this goes on until none is left.
    """

    def page(connection: Connection) -> int:
        rows = connection.all("ready_of_rule", rule=shelf.rule.name, snapshot=shelf.snapshot, limit=PAGE)
        for row in rows:
            _reword(connection, shelf, item_from(row), context.clock.wall())
        return len(rows)

    while await context.store.write(page):
        pass
    await _retry_refused(context, shelf)


async def _retry_refused(context: Context, shelf: Shelf) -> None:
    """Buy what the service refused as the rule was, and never sold, as the rule is now, where that differs."""

    def page(connection: Connection) -> int:
        rows = connection.all("refused_of_rule", rule=shelf.rule.name, snapshot=shelf.snapshot, after=after, limit=PAGE)
        for row in rows:
            _retry(connection, shelf, item_from(row), row["recipe"], context.clock.wall())
        return rows[-1]["id"] if rows else 0

    after = 0
    while after := await context.store.write(page):
        pass


def _retry(connection: Connection, shelf: Shelf, item: Item, recipe: str, now: float) -> None:
    if not shelf.matcher.matches(item.path):
        return
    with suppress(ConfigError, FileTrouble):
        overrides = Overrides(shelf.rule).of(item.path.rpartition("/")[0])
        anew = arrival(shelf, item.path, item.stat, item.content or "", item.mime, overrides)
        if anew.recipe != recipe:
            arrive_again(connection, item, anew, now)


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
