"""The sweep: a look at everything below a watched folder. It finds what events missed, and what is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from runflowd import files, io_guard
from runflowd.core.chains import makers
from runflowd.errors import StoreError
from runflowd.incidents import Trouble, watch_scope
from runflowd.intake.first_sight import FirstSight
from runflowd.intake.left_out import forget_left_out
from runflowd.intake.output_places import OUTPUT_INSIDE, outputs_of
from runflowd.intake.removal import remove_outputs
from runflowd.intake.roots import recognise, strangeness
from runflowd.store.roots import roots_of

if TYPE_CHECKING:
    from runflowd.context import Context
    from runflowd.intake.look import Looking
    from runflowd.intake.shelf import Shelf

log = structlog.get_logger()


class Sweeping:
    """Sweeps one rule at a time or several beside each other; each shelf says when it is due."""

    def __init__(self, context: Context, looking: Looking) -> None:
        self._context = context
        self._looking = looking
        self._first_sight = FirstSight(context, looking)

    async def sweep(self, shelf: Shelf) -> None:
        """Look at the whole tree once, and say when to do so again."""
        started = self._context.clock.now()
        shelf.overflowed = False
        outputs = outputs_of(shelf.rule, self._context.rules.values())
        await shelf.outputs.look(self._context.io.written(shelf.rule), outputs, anew=True)
        try:
            if await self._recognised(shelf):
                await self._look(shelf)
            shelf.swept = True
        except StoreError as trouble:
            self._context.storms.error(str(trouble), action="store.failed", stage="intake")
        finally:
            shelf.sweeping = False
            now = self._context.clock.now()
            # A folder that takes long to read is read less often: at most a tenth of the time.
            unsure = shelf.roots is None or shelf.roots.strange
            soon = unsure or shelf.overflowed or shelf.again or not shelf.opened
            pause = min(shelf.interval, 5.0) if soon else shelf.interval
            shelf.sweep_due = now + max(pause, 10 * (now - started))
            shelf.suspects.swept(now)
            self._context.bells.intake.ring()

    async def _look(self, shelf: Shelf) -> None:
        """Compare all that is there with what is on record."""
        if not shelf.opened:
            # A rule that got another name has taken over by then who its folder was.
            shelf.opened = await self._first_sight.opens(shelf) and await self._recognised(shelf)
            if not shelf.opened:
                return
        shelf.inside = {}
        suspects = shelf.suspects if shelf.hears else None
        seen = await self._looking.tree(shelf, "", deep=True, since=shelf.sweep_since, suspects=suspects)
        if shelf.roots is not None:
            await self._tell_whether_whole(shelf)
            await self._looking.vanished(shelf, seen)
            await forget_left_out(self._context, shelf, seen)
        if shelf.roots is not None:
            await remove_outputs(self._context, shelf.rule)

    async def _recognised(self, shelf: Shelf) -> bool:
        """Whether the folder is there and the one that it was; if not, an incident says so."""
        shelf.unreadable, shelf.unread = None, 0
        try:
            roots = await recognise(self._context, shelf)
        except files.Missing:
            if await self._made_for_results(shelf):
                return await self._recognised(shelf)
            shelf.lose()
            await self._root_missing(shelf)
            return False
        except files.FileTrouble as trouble:
            shelf.lose()
            shelf.unreadable, shelf.unread = trouble, 1
            await self._tell_whether_whole(shelf)
            return False
        if "" in roots.strange:
            shelf.lose()
            await self._tell(strangeness(shelf.rule, roots))
            return False
        shelf.roots = roots
        return True

    async def _made_for_results(self, shelf: Shelf) -> bool:
        """Make the folder of a rule that takes what another is still to make; never one that was there before."""
        rule = shelf.rule
        if not makers(self._context.rules.values(), rule):
            return False
        if (await self._context.store.read(lambda connection: roots_of(connection, rule.name))).folders:
            return False
        try:
            await shelf.asking.ask(files.ensure_root, rule.watch)
        except files.FileTrouble:
            return False  # the incident of the missing folder says so
        return True

    async def _tell_whether_whole(self, shelf: Shelf) -> None:
        """After a whole sweep: a folder that was not read, or is another one, is an incident: its files wait unseen."""
        scope, trouble = watch_scope(shelf.rule.name), shelf.unreadable
        if shelf.roots is not None and shelf.roots.strange:
            await self._tell(strangeness(shelf.rule, shelf.roots))
            return
        if shelf.inside:
            first = next(iter(shelf.inside.values()))
            others = f" (and {len(shelf.inside) - 1} more folders)" if len(shelf.inside) > 1 else ""
            sentence = f"rule {shelf.rule.name}: {first}{others}"
            await self._tell(Trouble(scope, OUTPUT_INSIDE, sentence, first.advice, slowest=shelf.interval))
            return
        if trouble is None:
            await self._context.incidents.over(scope)
            return
        remedy = f"{trouble.advice or 'Mend the folder.'} Its files are taken up by themselves then"
        others = f" (and {shelf.unread - 1} more folders)" if shelf.unread > 1 else ""
        sentence = f"rule {shelf.rule.name}: {trouble}{others}"
        await self._tell(Trouble(scope, "FOLDER_UNREADABLE", sentence, remedy, slowest=shelf.interval))

    async def _root_missing(self, shelf: Shelf) -> None:
        rule = shelf.rule
        await self._tell(
            Trouble(
                watch_scope(rule.name),
                "WATCH_MISSING",
                f"rule {rule.name}: the watched folder {rule.watch} is not there",
                "Create it or mount it; nothing that was in it counts as deleted",
                slowest=shelf.interval,
            )
        )

    async def _tell(self, trouble: Trouble) -> None:
        """Open an incident, or note that it lasts; another trouble with the same folder takes its place at once."""
        incidents = self._context.incidents
        same = all(each.code == trouble.code for each in incidents.snapshot() if each.scope == trouble.scope)
        await (incidents.report if same else incidents.restate)(trouble)


async def tell_silence(context: Context, shelf: Shelf) -> None:
    """A folder that does not answer is an incident of its rule; the other rules go on."""
    rule, scope = shelf.rule, watch_scope(shelf.rule.name)
    silent = shelf.asking.silent_for(context.clock.now()) >= io_guard.SILENT_AFTER
    if silent:
        sentence = f"rule {rule.name}: the watched folder {rule.watch} does not answer"
        remedy = "Mend the server or the network behind it; the rule goes on by itself then, the others do meanwhile"
        await context.incidents.report(Trouble(scope, "WATCH_SILENT", sentence, remedy))
    elif shelf.asking.told:
        await context.incidents.over(scope)
    shelf.asking.told = silent
