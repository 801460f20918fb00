"""Stable files are read, and what became of them is recorded."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import anyio

from runflowd.core.chains import beside, downstream
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import AfterKind
from runflowd.core.own_settings import NO_SETTINGS
from runflowd.core.recipe import recipe_hash
from runflowd.core.stability import Stable, StillChanging
from runflowd.pipeline.intake.doubts import settle_doubts
from runflowd.pipeline.intake.findings import Doubted, Good, Refused, Unfinished
from runflowd.pipeline.intake.inspect import look_at, read_all, unstable
from runflowd.pipeline.intake.left_out import remove_notes
from runflowd.pipeline.intake.roots import still_recognised
from runflowd.store.arrivals import Arrival, arrive, arrive_new, set_aside
from runflowd.store.duplicates import OWN_RESULT, own_result
from runflowd.store.items import NoteState, item_at
from runflowd.store.known import known_contents, new_files
from runflowd.store.own_settings import settings_for
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.core.arrival import Decision
    from runflowd.core.model import Json, Reference, Rule, Stat
    from runflowd.core.own_settings import OwnSettings
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.intake.findings import Finding
    from runflowd.pipeline.intake.watched_rule import WatchedRule
    from runflowd.store import Connection
    from runflowd.store.items import Item

PAGE = 100
"""Files confirmed, read and recorded in one go."""

READERS = 4
"""Threads that read and hash at once."""


class Acceptor:
    """Turns stable files into rows."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def due(self, watched: WatchedRule) -> int:
        """Take the next page of files that seem stable; give how many became ready."""
        paths = watched.stability.due(self._context.clock.now(), PAGE)
        if not paths or watched.roots is None:
            return 0
        refused: dict[str, Refused] = {}
        found: dict[str, Finding] = {}

        async def read(stable: dict[str, Stat]) -> None:
            limit = self._context.limits.upload_size
            found.update(
                await watched.folder_io.read(
                    read_all,
                    watched.rule,
                    stable,
                    limit,
                    known,
                    watched.folder_io.note_progress,
                    still,
                )
            )

        stable = await self._stable(watched, paths, refused)
        still = watched.stability.still_for(stable, self._context.clock.now())
        others = [each.name for each in beside(self._context.rules.values(), watched.rule)]
        known = await self._context.store.read(partial(known_contents, rules=others, rested=stable)) if others else {}
        async with anyio.create_task_group() as group:
            for share in _shares(stable, READERS):
                group.start_soon(read, share)
        await self._settle(watched, found, still)
        if not await watched.folder_io.read(still_recognised, watched.rule.watch, watched.roots):
            watched.reset()  # what was read may be another folder's
            return 0
        good: dict[str, Good] = {}
        for path, finding in found.items():
            match self._judged(watched, path, stable[path], finding):
                case Good() as whole:
                    good[path] = whole
                case Refused() as refusal:
                    refused[path] = refusal
        return await self._record(watched, good, refused)

    async def _settle(self, watched: WatchedRule, found: dict[str, Finding], still: dict[str, float]) -> None:
        """Put in the place of each doubt what the decoder makes of it."""
        doubts = {path: finding for path, finding in found.items() if isinstance(finding, Doubted)}
        if doubts:
            settle = partial(settle_doubts, watched.rule, doubts, still, self._context.decoder)
            found.update(await watched.folder_io.read(settle, watched.folder_io.note_progress))

    async def _stable(self, watched: WatchedRule, paths: list[str], refused: dict[str, Refused]) -> dict[str, Stat]:
        """Those that a fresh stat confirms to be stable; what never becomes stable is added to `refused` once."""
        seen = await watched.folder_io.read(look_at, watched.rule.watch, paths, watched.folder_io.note_progress)
        now = self._context.clock.now()
        stable: dict[str, Stat] = {}
        for path, stat in seen.items():
            match watched.stability.confirm(path, stat, now):
                case Stable() as verdict:
                    stable[path] = verdict.stat
                case StillChanging(report=True) as verdict if stat:
                    refused[path] = unstable(verdict, stat, promised=watched.rule.matcher.promises(path))
                case _:
                    pass
        return stable

    def _judged(self, watched: WatchedRule, path: str, stat: Stat, found: Finding) -> Finding:
        if not isinstance(found, Unfinished):
            return found
        held = watched.stability.hold(path, found.reason, self._context.clock.now(), found.stillness)
        return Refused(stat, found.state, found.code, found.reason) if held.report else None

    async def _record(self, watched: WatchedRule, good: dict[str, Good], refused: dict[str, Refused]) -> int:
        now = self._context.clock.wall()
        rule = watched.rule.name
        if not good and not refused:
            return 0
        disposed = watched.rule.after.kind is not AfterKind.KEEP
        makers = [each.name for each in downstream(watched.rule, self._context.rules.values())]
        reach("item.hashed")
        await self._withdraw_notes(watched, [path for path, why in refused.items() if why.state is ItemState.SKIPPED])

        def write(connection: Connection) -> tuple[list[Decision], list[str]]:
            new = new_files(connection, rule, {path: whole.content for path, whole in good.items()})
            strangers = [_arrival(watched, path, good[path], NO_SETTINGS) for path in new]
            decisions = arrive_new(connection, strangers, now, disposed=disposed)
            others = good.keys() - set(new)
            arrivals = [arrival(connection, watched, path, whole) for path, whole in good.items() if path in others]
            for each in arrivals:
                if why := own_result(connection, each, makers):
                    refused[each.path] = Refused(each.stat, ItemState.SKIPPED, OWN_RESULT, why)
            taken = [each for each in arrivals if each.path not in refused]
            decisions += [arrive(connection, each, now, disposed=disposed) for each in taken]
            changed = [
                path
                for path, why in refused.items()
                if set_aside(connection, rule, path, why.stat, why.state, why.code, why.reason, now)
            ]
            return decisions, changed

        decisions, changed = await self._context.store.write(watched.held(write))
        reach("item.recorded")
        for path, why in refused.items():
            watched.stability.forget(path, why.stat)
        for path, whole in good.items():
            watched.stability.forget(path, whole.stat)
        for path in changed:
            if (why := refused[path]).state is ItemState.SKIPPED:
                continue  # on record, and nobody needs to know
            self._context.log_throttle.warning(
                why.reason, action=f"item.{why.state}", rule=rule, code=why.code, path=path
            )
        return self._hint(decisions, bool(changed))

    async def _withdraw_notes(self, watched: WatchedRule, paths: list[str]) -> None:
        """What is left out now may have failed before, and a note says so; it goes first, as no row recalls it then."""
        rule = watched.rule.name

        def with_note(connection: Connection) -> list[str]:
            items = {path: item_at(connection, rule, path) for path in paths}
            return [path for path, item in items.items() if item is not None and item.note_state is not NoteState.NONE]

        if paths and (stale := await self._context.store.read(with_note)):
            await watched.folder_io.read(remove_notes, watched.rule.output, stale)

    def _hint(self, decisions: list[Decision], failures: bool) -> int:
        fresh = [decision for decision in decisions if not decision.touch]
        if failures or any(decision.state is ItemState.DOWNLOADING for decision in decisions):
            self._context.stage_events.deliver.notify()
        return sum(decision.state is ItemState.READY for decision in fresh)


def _shares(stable: dict[str, Stat], readers: int) -> list[dict[str, Stat]]:
    """The files divided among the readers; one thread reads many: a hop costs more than a small file."""
    dealt = [dict(islice(stable.items(), start, None, readers)) for start in range(readers)]
    return [share for share in dealt if share]


def arrival(connection: Connection, watched: WatchedRule, path: str, found: Good) -> Arrival:
    """What a content that was read at a path would be sent as under a rule, with the settings of its own on record."""
    own = settings_for(connection, watched.rule.name, path, found.stat, found.content)
    return _arrival(watched, path, found, own)


def arrival_again(watched: WatchedRule, item: Item, overrides: dict[str, Json]) -> Arrival:
    """The same of a content on record, which is not read again; `overrides` are those of its folder."""
    found = Good(item.stat, item.content_hash or "", item.mime, overrides)
    return _arrival(watched, item.path, found, item.own.of_content(item.content_hash))


def _arrival(watched: WatchedRule, path: str, found: Good, own: OwnSettings) -> Arrival:
    rule, text = watched.rule, watched.text
    symbolic, recipe = present_recipe(rule, path, {**found.overrides, **own.values}, text.references)
    facts = (found.stat, found.content, found.mime, recipe, symbolic, text.snapshot, found.pixels)
    return Arrival(rule.name, path, *facts, own)


def present_recipe(
    rule: Rule, path: str, overrides: dict[str, Json], references: Mapping[str, Reference]
) -> tuple[Json, str]:
    """The input that a file would be sent with under a rule as it is, and the name of that recipe."""
    symbolic = rule.template.resolve(path, overrides)
    hashes = {name: reference.content for name, reference in references.items()}
    return symbolic, recipe_hash(rule.model, symbolic, rule.select, hashes)
