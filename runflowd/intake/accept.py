"""Files at rest are read, and what became of them is recorded."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import anyio

from runflowd.core.chains import beside, downstream
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import AfterKind
from runflowd.core.recipe import recipe_hash
from runflowd.core.settle import Settled, StillChanging
from runflowd.core.template import FileFacts, resolve
from runflowd.failpoints import reach
from runflowd.intake.left_out import remove_notes
from runflowd.intake.reading import Good, Refused, Unfinished, look_at, read_all, restless
from runflowd.intake.roots import stands
from runflowd.store.arrivals import Arrival, arrive, set_aside
from runflowd.store.items import item_at, known_contents
from runflowd.store.own_results import OWN_RESULT, own_result

if TYPE_CHECKING:
    from runflowd.context import Context
    from runflowd.core.arrival import Decision
    from runflowd.core.model import Json, Reference, Rule, Stat
    from runflowd.intake.reading import Finding
    from runflowd.intake.shelf import Shelf
    from runflowd.store import Connection

PAGE = 100
"""Files confirmed, read and recorded in one go."""

READERS = 4
"""Threads that read and hash at once."""


class Accepting:
    """Turns files at rest into rows."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def due(self, shelf: Shelf) -> int:
        """Take the next page of files that seem to rest; give how many became ready."""
        paths = shelf.settling.due(self._context.clock.now(), PAGE)
        if not paths or shelf.roots is None:
            return 0
        good: list[Arrival] = []
        refused: dict[str, Refused] = {}

        async def read(rested: dict[str, Stat]) -> None:
            limit = self._context.limits.upload_size
            for path, found in await shelf.asking.ask(
                read_all, shelf.rule, rested, limit, shelf.matcher.promises, known, shelf.asking.heard
            ):
                match self._judged(shelf, path, rested[path], found):
                    case Good() as whole:
                        good.append(_arrival(shelf, path, whole))
                    case Refused() as refusal:
                        refused[path] = refusal
                    case _:
                        pass

        rested = await self._at_rest(shelf, paths, refused)
        others = [each.name for each in beside(self._context.rules.values(), shelf.rule)]
        known = await self._context.store.read(partial(known_contents, rules=others, rested=rested)) if others else {}
        async with anyio.create_task_group() as group:
            for share in _shares(rested, READERS):
                group.start_soon(read, share)
        if not await shelf.asking.ask(stands, shelf.rule.watch, shelf.roots):
            shelf.lose()  # what was read may be another folder's
            return 0
        return await self._record(shelf, good, refused)

    async def _at_rest(self, shelf: Shelf, paths: list[str], refused: dict[str, Refused]) -> dict[str, Stat]:
        """Those that a fresh look confirms to rest; what never rests is added to `refused` once."""
        seen = await shelf.asking.ask(look_at, shelf.rule.watch, paths, shelf.asking.heard)
        now = self._context.clock.now()
        rested: dict[str, Stat] = {}
        for path, stat in seen.items():
            match shelf.settling.confirm(path, stat, now):
                case Settled() as verdict:
                    rested[path] = verdict.stat
                case StillChanging(report=True) as verdict if stat:
                    refused[path] = restless(verdict, stat, promised=shelf.matcher.promises(path))
                case _:
                    pass
        return rested

    def _judged(self, shelf: Shelf, path: str, stat: Stat, found: Finding) -> Finding:
        if not isinstance(found, Unfinished):
            return found
        held = shelf.settling.hold(path, found.reason, self._context.clock.now())
        return Refused(stat, found.state, found.code, found.reason) if held.report else None

    async def _record(self, shelf: Shelf, good: list[Arrival], refused: dict[str, Refused]) -> int:
        now = self._context.clock.wall()
        rule = shelf.rule.name
        if not good and not refused:
            return 0
        disposed = shelf.rule.after.kind is not AfterKind.KEEP
        makers = [each.name for each in downstream(shelf.rule, self._context.rules.values())]
        reach("item.hashed")
        await self._withdraw_notes(shelf, [path for path, why in refused.items() if why.state is ItemState.SKIPPED])

        def write(connection: Connection) -> tuple[list[Decision], list[str]]:
            for arrival in good:
                if why := own_result(connection, arrival, makers):
                    refused[arrival.path] = Refused(arrival.stat, ItemState.SKIPPED, OWN_RESULT, why)
            taken = [arrival for arrival in good if arrival.path not in refused]
            decisions = [arrive(connection, arrival, now, disposed=disposed) for arrival in taken]
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
            if (why := refused[path]).state is ItemState.SKIPPED:
                continue  # on record, and no news to anybody
            self._context.storms.warning(why.reason, action=f"item.{why.state}", rule=rule, code=why.code, path=path)
        return self._hint(decisions, bool(news))

    async def _withdraw_notes(self, shelf: Shelf, paths: list[str]) -> None:
        """What is left out now may have failed before, and a note says so; it goes first, as no row recalls it then."""
        rule = shelf.rule.name

        def noted(connection: Connection) -> list[str]:
            items = {path: item_at(connection, rule, path) for path in paths}
            return [path for path, item in items.items() if item is not None and item.noted]

        if paths and (stale := await self._context.store.read(noted)):
            await shelf.asking.ask(remove_notes, shelf.rule.output, stale)

    def _hint(self, decisions: list[Decision], failures: bool) -> int:
        fresh = [decision for decision in decisions if not decision.touch]
        if failures or any(decision.state is ItemState.DELIVERING for decision in decisions):
            self._context.bells.deliver.ring()
        return sum(decision.state is ItemState.READY for decision in fresh)


def _shares(rested: dict[str, Stat], readers: int) -> list[dict[str, Stat]]:
    """The files dealt out to the readers; one thread reads many: a hop costs more than a small file."""
    dealt = [dict(islice(rested.items(), start, None, readers)) for start in range(readers)]
    return [share for share in dealt if share]


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
