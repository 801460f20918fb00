"""What becomes of a source once its result counts: it stays, is deleted, or is moved, as its rule and the others want.

A source goes only when no rule over its folder needs it any more, and each of them is done with it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from runflowd import files
from runflowd.core.chains import beside
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import AfterKind
from runflowd.core.naming import marked
from runflowd.core.review import RELEASED
from runflowd.store.deliveries import Delivered, results_stand
from runflowd.store.items import SourceState, item_at, set_source_state
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.core.model import OutputPath, Rule
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.deliver.output_io import OutputIo
    from runflowd.store import Connection
    from runflowd.store.items import Item

log = structlog.get_logger()


class SourceDisposal:
    """Carries out `after`. All of it may be repeated."""

    def __init__(self, context: Context, output_io: OutputIo) -> None:
        self._context = context
        self._output_io = output_io

    async def let_go(self, item: Item, rule: Rule, placed: list[OutputPath], lacking: int) -> str:
        """Dispose of the source of a result, unless somebody is to accept that first; give what was done, as a clause.

        The source stays where `lacking` outputs are not in their places, since it may be all that is left to have them
        from; that also holds for the other rules over its folder. Raises FileError when the disk does not let it: then
        the item is not done, and this is tried again.
        """
        if not item.current or item.review not in RELEASED:
            return ""
        if lacking:
            await self._context.store.write(partial(set_source_state, item=item, state=SourceState.NEEDED))
        if rule.after.kind is AfterKind.KEEP:
            return ""
        if lacking:
            why = f"the source stays: {lacking} of its results {'is' if lacking == 1 else 'are'} not in place"
            log.warning(why, action="source.retained", rule=item.rule, path=item.path)
            return f"; {why}"
        if others := await self._record_results(item, rule, placed):
            return f"; the source stays until rule {', '.join(others)} is done with it"
        return await self._dispose(item, rule)

    async def _record_results(self, item: Item, rule: Rule, placed: list[OutputPath]) -> list[str]:
        """Put on record that the results stand; give the rules over the same folder that want the source still.

        Where there are none, that the source goes is on record before it does.
        """
        rules = beside(self._context.rules.values(), rule)
        others = [each.name for each in rules if each.matcher.matches(item.path)]

        def write(connection: Connection) -> list[str]:
            results_stand(connection, [Delivered(item, placed)], self._context.clock.wall())
            if unserved := _unserved(connection, others, item):
                set_source_state(connection, item, SourceState.RELEASED)
                return unserved
            for gone in (item, *(item_at(connection, name, item.path) for name in others)):
                if gone is not None:
                    set_source_state(connection, gone, SourceState.DISPOSED)
            return []

        return await self._context.store.write(write)

    async def _dispose(self, item: Item, rule: Rule) -> str:
        """Carry out `after` now that the result is durable; a source that changed since is left alone."""
        disposal = ""
        try:
            if rule.after.kind is AfterKind.DELETE:
                await self._output_io.run_held(item, rule, files.remove, rule.watch, item.path, item.stat)
                disposal = "; the source was deleted"
            else:
                moved = await self._output_io.run_held(item, rule, _archive, rule, item)
                disposal = f"; the source was moved to {moved}"
        except (files.Changed, files.Missing):
            # Gone already, as after a crash, else renamed, or a newer version that is work of its own.
            if item.source_state is not SourceState.DISPOSED:
                await self._context.store.write(partial(set_source_state, item=item, state=SourceState.RELEASED))
        except files.Taken as error:
            self._context.log_throttle.warning(str(error), action="source.retained", rule=item.rule, path=item.path)
            disposal = f"; the source was kept: {error}"
            await self._context.store.write(partial(set_source_state, item=item, state=SourceState.RELEASED))
        reach("source.disposed")
        return disposal


def _archive(rule: Rule, item: Item) -> str:
    """Move a source away; where a file of that name lies already, under a name with a mark. Give its new path."""
    folder, content = rule.after.folder, item.content_hash or ""
    files.ensure_root(folder)
    try:
        to = files.Destination(folder, item.path)
        moved = files.move(rule.watch, item.path, to, item.stat, sha256=content)
    except files.Taken:
        to = files.Destination(folder, marked(item.path, content[:8]))
        moved = files.move(rule.watch, item.path, to, item.stat, sha256=content)
    return f"{folder}/{moved.relative}"


def _unserved(connection: Connection, others: list[str], item: Item) -> list[str]:
    """The rules of these that have not yet succeeded with the content of an item, or lack a result of it.

    To be asked in the transaction that records the results of the item itself: of two rules that end at the same
    time the second one sees the first.
    """
    return [rule for rule in others if not _is_served(item_at(connection, rule, item.path), item)]


def _is_served(other: Item | None, item: Item) -> bool:
    if other is None:
        return False
    if other.state is ItemState.SKIPPED:  # left alone on purpose
        return True
    if other.content_hash != item.content_hash or other.review not in RELEASED:
        return False
    if other.remark or other.source_state is SourceState.NEEDED:
        return False
    ends = other.state is ItemState.DOWNLOADING and other.source_state is not SourceState.KEPT
    return ends or other.state is ItemState.DONE
