"""A file at rest: is it a whole image, what is its content, what becomes of it?"""

from __future__ import annotations

from dataclasses import dataclass
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
from runflowd.failpoints import reach
from runflowd.store.items import Arrival, arrive, set_aside

if TYPE_CHECKING:
    from runflowd.context import Context
    from runflowd.core.arrival import Decision
    from runflowd.core.model import Rule, Stat
    from runflowd.intake.shelf import Shelf
    from runflowd.store import Connection

log = structlog.get_logger()

PAGE = 100
"""Files confirmed, read and recorded in one go."""

READERS = 4


@dataclass(frozen=True, slots=True)
class Good:
    """A whole image, hashed."""

    stat: Stat
    content: str
    mime: str


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
        self._readers = anyio.CapacityLimiter(READERS)

    async def due(self, shelf: Shelf) -> int:
        """Take the next page of files that seem to rest; give how many became ready."""
        paths = shelf.settling.due(self._context.clock.now(), PAGE)
        if not paths:
            return 0
        good: list[Arrival] = []
        refused: dict[str, Refused] = {}

        async def one(path: str) -> None:
            match await self._examine(shelf, path):
                case Good() as found:
                    good.append(_arrival(shelf, path, found))
                case Refused() as refusal:
                    refused[path] = refusal
                case _:
                    pass

        async with anyio.create_task_group() as group:
            for path in paths:
                group.start_soon(one, path)
        return await self._record(shelf, good, refused)

    async def _examine(self, shelf: Shelf, path: str) -> Finding:
        """Confirm by a fresh look that the file rests, then read it."""
        limit, root, now = self._context.limits.upload_size, shelf.rule.watch, self._context.clock.now()
        try:
            stat = await anyio.to_thread.run_sync(files.stat, root, path, limiter=self._readers)
        except files.FileTrouble:
            return None
        verdict = shelf.settling.confirm(path, stat, now)
        if isinstance(verdict, StillChanging):
            return _restless(verdict, stat) if verdict.report and stat else None
        if not isinstance(verdict, Settled):
            return None
        found = await anyio.to_thread.run_sync(_read, root, path, verdict.stat, limit, limiter=self._readers)
        if isinstance(found, Unfinished):
            held = shelf.settling.hold(path, found.reason, now)
            return Refused(verdict.stat, ItemState.FAILED, "INCOMPLETE", found.reason) if held.report else None
        return found

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
        for path in [*refused, *(arrival.path for arrival in good)]:
            shelf.settling.forget(path)
        for path in news:
            why = refused[path]
            log.warning(why.reason, action=f"item.{why.state}", rule=rule, path=path, code=why.code)
        return self._hint(decisions, bool(news))

    def _hint(self, decisions: list[Decision], failures: bool) -> int:
        fresh = [decision for decision in decisions if not decision.touch]
        if failures or any(decision.state is ItemState.DELIVERING for decision in decisions):
            self._context.bells.deliver.ring()
        return sum(decision.state is ItemState.READY for decision in fresh)


def _restless(verdict: StillChanging, stat: Stat) -> Refused:
    if stat.size == 0:
        return Refused(stat, ItemState.FAILED, "EMPTY", "the file is empty (0 bytes)")
    return Refused(stat, ItemState.WAITING, "STILL_CHANGING", f"{verdict.reason} for {verdict.waited:.0f} s")


def _read(root: str, path: str, stat: Stat, limit: int) -> Finding:
    """What a file at rest is, told by its bytes. Blocking."""
    if stat.size > limit:
        reason = f"the file has {stat.size:,} bytes; the service takes at most {limit:,}"
        return Refused(stat, ItemState.FAILED, "TOO_LARGE", reason)
    try:
        with files.image_source(root, path) as source:
            found = check(source)
        if isinstance(found, Partial):
            return Unfinished(found.reason)
        if isinstance(found, NotAnImage):
            return Refused(stat, ItemState.FAILED, "NOT_AN_IMAGE", found.reason)
        return Good(stat, files.hash_file(root, path, stat), found.type.mime)
    except (files.Changed, files.Missing):
        return None  # the tracker hands it out again
    except files.FileTrouble as trouble:
        return Refused(stat, ItemState.WAITING, "UNREADABLE", str(trouble))


def _arrival(shelf: Shelf, path: str, found: Good) -> Arrival:
    return arrival(shelf.rule, shelf.snapshot, path, found.stat, found.content, found.mime)


def arrival(rule: Rule, snapshot: str, path: str, stat: Stat, content: str, mime: str) -> Arrival:
    """What a content at a path would be sent as under a rule."""
    symbolic = resolve(rule.input, FileFacts(path))
    recipe = recipe_hash(rule.model, symbolic, rule.select, {})
    return Arrival(rule.name, path, stat, content, mime, recipe, symbolic, snapshot)
