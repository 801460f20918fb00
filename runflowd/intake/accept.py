"""A file at rest: is it a whole image, what is its content, what becomes of it?"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

import anyio
import anyio.to_thread
import structlog

from runflowd import files
from runflowd.core.imagetype import NotAnImage, Partial, check
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import AfterKind
from runflowd.core.recipe import FileFacts, recipe_hash, resolve
from runflowd.core.settle import Settled, StillChanging
from runflowd.errors import ConfigError
from runflowd.failpoints import reach
from runflowd.intake.overrides import Overrides
from runflowd.store.arrivals import Arrival, arrive, set_aside

if TYPE_CHECKING:
    from runflowd.context import Context
    from runflowd.core.arrival import Decision
    from runflowd.core.model import Json, Reference, Rule, Stat
    from runflowd.intake.shelf import Shelf
    from runflowd.store import Connection

log = structlog.get_logger()

PAGE = 100
"""Files confirmed, read and recorded in one go."""

BAD_OVERRIDE = "BAD_OVERRIDE"
"""The failure code of files whose folder has a `_runflow.yaml` with mistakes; they wait until it is corrected."""

READERS = 4
"""Threads that read and hash at once."""


@dataclass(frozen=True, slots=True)
class Good:
    """A whole image, hashed, and what its folder overrides in the rule's input."""

    stat: Stat
    content: str
    mime: str
    overrides: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Unfinished:
    """It rests, but its end is missing."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not taken: for good (`FAILED`), or until something changes (`WAITING`)."""

    stat: Stat
    state: ItemState
    code: str
    reason: str


Finding: TypeAlias = Good | Unfinished | Refused | None


class Accepting:
    """Turns files at rest into rows."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def due(self, shelf: Shelf) -> int:
        """Take the next page of files that seem to rest; give how many became ready."""
        paths = shelf.settling.due(self._context.clock.now(), PAGE)
        if not paths:
            return 0
        good: list[Arrival] = []
        refused: dict[str, Refused] = {}

        async def read(rested: dict[str, Stat]) -> None:
            limit = self._context.limits.upload_size
            for path, found in await anyio.to_thread.run_sync(_read_all, shelf.rule, rested, limit):
                match self._judged(shelf, path, rested[path], found):
                    case Good() as whole:
                        good.append(_arrival(shelf, path, whole))
                    case Refused() as refusal:
                        refused[path] = refusal
                    case _:
                        pass

        rested = await self._at_rest(shelf, paths, refused)
        async with anyio.create_task_group() as group:
            for share in _shares(rested, READERS):
                group.start_soon(read, share)
        return await self._record(shelf, good, refused)

    async def _at_rest(self, shelf: Shelf, paths: list[str], refused: dict[str, Refused]) -> dict[str, Stat]:
        """Those that a fresh look confirms to rest; what never rests is added to `refused` once."""
        seen = await anyio.to_thread.run_sync(_look_at, shelf.rule.watch, paths)
        now = self._context.clock.now()
        rested: dict[str, Stat] = {}
        for path, stat in seen.items():
            match shelf.settling.confirm(path, stat, now):
                case Settled() as verdict:
                    rested[path] = verdict.stat
                case StillChanging(report=True) as verdict if stat:
                    refused[path] = _restless(verdict, stat)
                case _:
                    pass
        return rested

    def _judged(self, shelf: Shelf, path: str, stat: Stat, found: Finding) -> Finding:
        if not isinstance(found, Unfinished):
            return found
        held = shelf.settling.hold(path, found.reason, self._context.clock.now())
        return Refused(stat, ItemState.FAILED, "INCOMPLETE", found.reason) if held.report else None

    async def _record(self, shelf: Shelf, good: list[Arrival], refused: dict[str, Refused]) -> int:
        now = self._context.clock.wall()
        rule = shelf.rule.name
        if not good and not refused:
            return 0
        disposed = shelf.rule.after.kind is not AfterKind.KEEP
        reach("item.hashed")

        def write(connection: Connection) -> tuple[list[Decision], list[str]]:
            decisions = [arrive(connection, arrival, now, disposed=disposed) for arrival in good]
            news = [
                path
                for path, why in refused.items()
                if set_aside(connection, rule, path, why.stat, why.state, why.code, why.reason, now)
            ]
            return decisions, news

        decisions, news = await self._context.store.write(write)
        reach("item.recorded")
        for path, why in refused.items():
            shelf.settling.forget(path, why.stat)
        for arrival in good:
            shelf.settling.forget(arrival.path, arrival.stat)
        for path in news:
            why = refused[path]
            log.warning(why.reason, action=f"item.{why.state}", rule=rule, path=path, code=why.code)
        return self._hint(decisions, bool(news))

    def _hint(self, decisions: list[Decision], failures: bool) -> int:
        fresh = [decision for decision in decisions if not decision.touch]
        if failures or any(decision.state is ItemState.DELIVERING for decision in decisions):
            self._context.bells.deliver.ring()
        return sum(decision.state is ItemState.READY for decision in fresh)


def _shares(rested: dict[str, Stat], readers: int) -> list[dict[str, Stat]]:
    """The files dealt out to the readers; one thread reads many: a hop costs more than a small file."""
    dealt = [dict(islice(rested.items(), start, None, readers)) for start in range(readers)]
    return [share for share in dealt if share]


def _look_at(root: str, paths: list[str]) -> dict[str, Stat | None]:
    """A fresh look at each file; those that cannot be looked at are left out. Blocking."""
    seen: dict[str, Stat | None] = {}
    for path in paths:
        with suppress(files.FileTrouble):
            seen[path] = files.stat(root, path)
    return seen


def _read_all(rule: Rule, rested: dict[str, Stat], limit: int) -> list[tuple[str, Finding]]:
    """What each file is. Blocking."""
    overrides = Overrides(rule)
    return [(path, _read(rule.watch, path, stat, limit, overrides)) for path, stat in rested.items()]


def _restless(verdict: StillChanging, stat: Stat) -> Refused:
    if stat.size == 0:
        return Refused(stat, ItemState.FAILED, "EMPTY", "the file is empty (0 bytes)")
    return Refused(stat, ItemState.WAITING, "STILL_CHANGING", f"{verdict.reason} for {verdict.waited:.0f} s")


def _read(root: str, path: str, stat: Stat, limit: int, overrides: Overrides) -> Finding:
    """What a file at rest is, told by its bytes. Blocking."""
    if stat.size > limit:
        reason = f"the file has {stat.size:,} bytes; the service takes at most {limit:,}"
        return Refused(stat, ItemState.FAILED, "TOO_LARGE", reason)
    try:
        return _read_whole(root, path, stat, overrides)
    except ConfigError as mistake:
        return Refused(stat, ItemState.WAITING, BAD_OVERRIDE, str(mistake))
    except (files.Changed, files.Missing):
        return None  # the tracker hands it out again
    except files.FileTrouble as trouble:
        return Refused(stat, ItemState.WAITING, "UNREADABLE", str(trouble))


def _read_whole(root: str, path: str, stat: Stat, overrides: Overrides) -> Finding:
    with files.image_source(root, path) as source:
        found = check(source)
    if isinstance(found, Partial):
        return Unfinished(found.reason)
    if isinstance(found, NotAnImage):
        return Refused(stat, ItemState.FAILED, "NOT_AN_IMAGE", found.reason)
    settings = overrides.of(path.rpartition("/")[0])
    return Good(stat, files.hash_file(root, path, stat), found.type.mime, settings)


def _arrival(shelf: Shelf, path: str, found: Good) -> Arrival:
    return arrival(shelf, path, found.stat, found.content, found.mime, found.overrides)


def arrival(shelf: Shelf, path: str, stat: Stat, content: str, mime: str, overrides: dict[str, Json]) -> Arrival:
    """What a content at a path would be sent as under the rule of a shelf."""
    symbolic, recipe = present_recipe(shelf.rule, path, overrides, shelf.references)
    return Arrival(shelf.rule.name, path, stat, content, mime, recipe, symbolic, shelf.snapshot)


def present_recipe(
    rule: Rule, path: str, overrides: dict[str, Json], references: dict[str, Reference]
) -> tuple[Json, str]:
    """The input that a file would be sent with under a rule as it is, and the name of that recipe."""
    symbolic = resolve(rule.input, FileFacts(path), overrides)
    hashes = {name: reference.content for name, reference in references.items()}
    return symbolic, recipe_hash(rule.model, symbolic, rule.select, hashes)
