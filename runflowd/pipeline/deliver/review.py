"""What people say of results is carried out: each result goes to where the verdict in force wants it.

Commands and the page write verdicts as rows; this finds them due. A name is recorded before a result is renamed to it,
so a crash between any two steps leaves what the next try recognises. What a person edited or removed meanwhile stays
as it is, and is theirs; only in the hidden folder, which is nobody's, it moves along.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

import structlog

from runflowd import files
from runflowd.core.model import OutputPath
from runflowd.core.receipt import Ended
from runflowd.core.review import Place, Review, standing
from runflowd.pipeline.deliver.output_writer import Naming, OutputWriter, place_for
from runflowd.pipeline.deliver.result_downloader import intact
from runflowd.store.items import item_at
from runflowd.store.outputs import forget_output, leave_edited, outputs_of, outputs_written
from runflowd.store.receipts import receipt_stands
from runflowd.store.verdicts import verdict_alike, verdict_carried_out
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.core.model import Rule
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.deliver.finalizer import Finalizer
    from runflowd.pipeline.deliver.output_io import OutputIo
    from runflowd.pipeline.deliver.output_writer import TargetName
    from runflowd.pipeline.deliver.receipt_writer import ReceiptWriter
    from runflowd.store import Connection
    from runflowd.store.items import Item
    from runflowd.store.outputs import Output

log = structlog.get_logger()


class Left(StrEnum):
    """Why a result is not where a verdict wants it."""

    EDITED = "was edited since it was delivered, so it stays where it is, and is yours"
    REMOVED = "is not there any more"


class Reviewer:
    """Says how a result stands that is about to be delivered, and moves those that were judged."""

    def __init__(self, context: Context, output_io: OutputIo, receipts: ReceiptWriter, finalizer: Finalizer) -> None:
        self._context = context
        self._output_io = output_io
        self._receipts = receipts
        self._finalizer = finalizer
        self._output_writer = OutputWriter(context, output_io)

    async def before_delivery(self, item: Item, rule: Rule) -> Item:
        """The item with how its result stands from now on."""
        content = item.content_hash
        assert content is not None, "what has a result was read"
        if not rule.review.chooses(content):
            return replace(item, review=Review.NONE)
        alike = await self._context.store.read(partial(verdict_alike, item=item))
        bought_anew = item.duplicate_of is None and item.ended_at is None
        return replace(item, review=standing(rule.review, content, *(() if bought_anew else (item.review, alike))))

    async def carry_out(self, item: Item, rule: Rule, outputs: list[Output]) -> None:
        """Bring every output of a judged item to where the verdict wants it, and let what follows follow."""
        wanted = place_for(item, rule)
        outputs = await self._taken_up(item, rule, outputs)
        found = [(output, await self._bring(item, rule, output, len(outputs))) for output in outputs]
        stands = [path for _, path in found if isinstance(path, OutputPath)]
        left = [f"{output.path.relative} {why}" for output, why in found if isinstance(why, Left)]
        detail = f"{item.review}: {', '.join([path.relative for path in stands] + left) or 'there is no result'}"
        if wanted is Place.OUTPUT and outputs:
            detail += await self._finalizer.follow(item, rule, stands, item.remark, lacking=len(left))
        await self._close(item, rule, detail, removed=any(why is Left.REMOVED for _, why in found))
        log.info("carried out a verdict", action="item.reviewed", rule=item.rule, path=item.path, review=item.review)

    async def _taken_up(self, item: Item, rule: Rule, outputs: list[Output]) -> list[Output]:
        """The outputs of an item as they stand, what an earlier try had begun to move included."""
        for meant in (each for each in outputs if not each.written):
            for output in (each for each in outputs if each.written and each.position == meant.position):
                if await self._output_io.run(rule, _is_moved, output, meant):
                    await self._record(item, output, meant.path)
                elif meant.place is not place_for(item, rule):  # the verdict was undone before it was carried out
                    await self._context.store.write(partial(forget_output, path=meant.path, by=item.claim))
        known = await self._context.store.read(partial(outputs_of, item=item.id))
        return [output for output in known if output.written]

    async def _close(self, item: Item, rule: Rule, detail: str, *, removed: bool) -> None:
        ended = Ended(item.state, item.failure_code, item.failure)
        receipt = (await self._receipts.write(item, rule, ended))[0].sha256 if rule.receipts else ""

        def write(connection: Connection) -> None:
            if receipt:
                receipt_stands(connection, item, receipt, ended)
            verdict_carried_out(connection, item, self._context.clock.wall(), detail, removed=removed)

        await self._context.store.write(write)

    async def _bring(self, item: Item, rule: Rule, output: Output, count: int) -> OutputPath | Left:
        """Move one output to where it belongs; give its path there, or why it is not there.

        What a person edited or removed stays on record: it can be judged again, and be fetched again once it is not
        there.
        """
        if output.place is place_for(item, rule):
            return output.path if await self._output_io.run(rule, _is_there, output.path) else Left.REMOVED
        found = await self._output_io.run(rule, _movable, output)
        if isinstance(found, Left):
            log.warning(f"the result {found}", action="review.untouched", rule=rule.name, path=output.path.relative)
            if found is Left.EDITED:
                await self._context.store.write(partial(leave_edited, item=item, path=output.path))
            return found
        named = await self._named(item)
        naming = Naming(output.path.relative.rpartition(".")[2], output.position, max(count, output.position + 1))
        path = await self._output_writer.give_name(named, rule, naming, found, partial(_rename, output, found))
        reach("verdict.moved")
        await self._record(item, output, path)
        reach("verdict.recorded")
        return path

    async def _named(self, item: Item) -> Item:
        """The item as its result is to be named: plainly as long as the file is what it was, though it is run again."""
        if item.current:
            return item
        now = await self._context.store.read(partial(item_at, rule=item.rule, path=item.path))
        same = now is not None and now.content_hash == item.content_hash
        return replace(item, current=same)

    async def _record(self, item: Item, output: Output, path: OutputPath) -> None:
        """An output stands under another name."""
        now = self._context.clock.wall()

        def write(connection: Connection) -> None:
            outputs_written(connection, [(item, [path])], now)
            forget_output(connection, output.path, by=item.claim)

        await self._context.store.write(write)


def _movable(output: Output) -> files.Written | Left:
    """The file of an output, if it may be moved. Blocking."""
    found = files.stat(*output.path)
    if found is None:
        return Left.REMOVED
    content = files.hash_file(*output.path, found)
    if content != output.content_hash and output.place is not Place.HELD:
        return Left.EDITED
    return files.Written(output.path.relative, found, content)


def _is_there(path: OutputPath) -> bool:
    return files.stat(*path) is not None


def _is_moved(output: Output, target: Output) -> bool:
    return files.stat(*output.path) is None and intact(target)


def _rename(output: Output, found: files.Written, target: TargetName) -> None:
    """Move a file to its new name, or remove it where the very same stands there. Blocking."""
    if target.adopted:
        files.remove(*output.path, found.stat)
    else:
        to = files.Destination(*target.path, target.replaces, target.overwrite)
        files.move(*output.path, to, found.stat, sha256=found.sha256)
