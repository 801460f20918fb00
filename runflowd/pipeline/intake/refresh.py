"""After an edit of a rule: items of which nothing was bought are bought as the rule now says."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from runflowd.core.droppings import BAD_OVERRIDE
from runflowd.core.lifecycle import ItemState
from runflowd.core.media.input_type import media_kind
from runflowd.errors import ConfigError
from runflowd.files import FileError
from runflowd.pipeline.intake.acceptor import arrival_again
from runflowd.pipeline.intake.overrides import Overrides
from runflowd.store.arrivals import arrive_again, set_aside
from runflowd.store.departures import drop_unsent
from runflowd.store.items import item_from

if TYPE_CHECKING:
    from runflowd.core.model import Json, Rule
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.intake.watched_rule import WatchedRule
    from runflowd.store import Connection
    from runflowd.store.items import Item

Found: TypeAlias = "dict[str, Json] | ConfigError | FileError"

PAGE = 500


async def refresh_ready(context: Context, watched: WatchedRule) -> None:
    """Rebuild the input of every unsealed item of the rule; dispatch puts those back that were sealed and not bought.

    One rebuilt may set free duplicates that waited for it, so those come first, and this goes on until none is left.
    What folders override is read beforehand: no transaction waits for a share.
    """
    while items := await context.store.read(lambda connection: _page(connection, watched)):
        folders = {_folder(item) for item in items if watched.rule.matcher.matches(item.path)}
        found = await watched.folder_io.read(_overrides, watched.rule, folders)
        write = partial(_rebuild_all, watched=watched, found=found, now=context.clock.wall())
        await context.store.write(watched.held(write))
    await _retry_refused(context, watched)


async def _retry_refused(context: Context, watched: WatchedRule) -> None:
    """Buy what the service refused as the rule was, and never sold, as the rule is now, where that differs."""
    after = 0
    while rows := await context.store.read(partial(_refused, watched=watched, after=after)):
        folders = {_folder(item) for item in rows if watched.rule.matcher.matches(item.path)}
        found = await watched.folder_io.read(_overrides, watched.rule, folders)
        now = context.clock.wall()
        write = partial(_retry_all, watched=watched, after=after, found=found, now=now)
        await context.store.write(watched.held(write))
        after = rows[-1].id


def _refused(connection: Connection, watched: WatchedRule, after: int) -> list[Item]:
    rows = connection.all(
        "refused_of_rule", rule=watched.rule.name, snapshot=watched.text.snapshot, after=after, limit=PAGE
    )
    return [item_from(row) for row in rows]


def _retry_all(connection: Connection, watched: WatchedRule, after: int, found: dict[str, Found], now: float) -> None:
    for item in _refused(connection, watched, after):
        overrides = found.get(_folder(item))
        if not isinstance(overrides, dict) or not _takes(watched, item):
            continue
        anew = arrival_again(watched, item, overrides)
        if anew.recipe_hash != item.recipe_hash:
            arrive_again(connection, item, anew, now)


def _page(connection: Connection, watched: WatchedRule) -> list[Item]:
    named = {"rule": watched.rule.name, "snapshot": watched.text.snapshot, "limit": PAGE}
    rows = connection.all("duplicates_of_ready", **named) or connection.all("ready_of_rule", **named)
    return [item_from(row) for row in rows]


def _takes(watched: WatchedRule, item: Item) -> bool:
    return watched.rule.matcher.matches(item.path) and media_kind(item.mime) in watched.rule.accept


def _folder(item: Item) -> str:
    return item.path.rpartition("/")[0]


def _overrides(rule: Rule, folders: set[str]) -> dict[str, Found]:
    """What each folder overrides, or why that cannot be known. Blocking."""
    overrides = Overrides(rule)
    return {folder: _read(overrides, folder) for folder in folders}


def _read(overrides: Overrides, folder: str) -> Found:
    try:
        return overrides.for_folder(folder)
    except (ConfigError, FileError) as mistake:
        return mistake


def _rebuild_all(connection: Connection, watched: WatchedRule, found: dict[str, Found], now: float) -> None:
    """Rebuild those that are still to be; one whose folder was not read comes with the next page."""
    for item in _page(connection, watched):
        if not _takes(watched, item):
            drop_unsent(connection, item, now)
        elif _folder(item) in found:
            _rebuild(connection, watched, item, found[_folder(item)], now)


def _rebuild(connection: Connection, watched: WatchedRule, item: Item, found: Found, now: float) -> None:
    if isinstance(found, Exception):
        set_aside(connection, item.rule, item.path, item.stat, ItemState.WAITING, BAD_OVERRIDE, str(found), now)
        return
    anew = arrival_again(watched, item, found)
    arrive_again(connection, item, anew, now)
