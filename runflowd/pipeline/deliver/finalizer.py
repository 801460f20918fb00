"""The end of an item: its source is disposed of, its note removed or written, its row closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from runflowd import files
from runflowd.core.chains import beside, takers
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import AfterKind
from runflowd.core.naming import failure_note, marked
from runflowd.core.outputs import PARTIAL_RESULT
from runflowd.core.receipt import Ended
from runflowd.core.remedies import remedy_for
from runflowd.core.review import RELEASED, Place, Review
from runflowd.core.undeliverable import recipe_of
from runflowd.pipeline.deliver.output_writer import place_for
from runflowd.store.deliveries import finish, note_delivered, note_written
from runflowd.store.duplicates import release_duplicates
from runflowd.store.items import NoteState, item_at, item_by_id
from runflowd.store.outputs import output_written, outputs_of
from runflowd.store.receipts import receipt_stands
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.core.model import OutputPath, Rule
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.deliver.output_io import OutputIo
    from runflowd.pipeline.deliver.receipt_writer import ReceiptWriter
    from runflowd.store import Connection
    from runflowd.store.items import Item


log = structlog.get_logger()


class Finalizer:
    """What follows once the outputs of an item stand under their names. All of it may be repeated."""

    def __init__(self, context: Context, output_io: OutputIo, receipts: ReceiptWriter) -> None:
        self._context = context
        self._output_io = output_io
        self._receipts = receipts

    async def succeed(self, item: Item, rule: Rule, placed: list[OutputPath]) -> None:
        """Close an item. The row says done only after everything else was done."""
        remark = await self._remark(item)
        if remark and item.current:
            now = self._context.clock.wall()
            await self._note(rule, replace(item, failure_code=PARTIAL_RESULT, failure=remark, ended_at=now))
        elif item.note_state is not NoteState.NONE:
            await self._output_io.run_held(item, rule, files.remove_note, rule.output, failure_note(item.path))
            reach("note.removed")
        results = [path.relative for path in placed]
        detail = f"result: {', '.join(results)}{f'; {remark}' if remark else ''}"
        ended = Ended(ItemState.DONE, PARTIAL_RESULT if remark else "", remark)
        receipt = (await self._receipts.write(item, rule, ended))[0].sha256 if rule.receipts else ""
        detail += await self.follow(item, rule, placed, remark)

        def write(connection: Connection) -> list[str]:
            self._stands(connection, item, placed)
            if receipt:
                receipt_stands(connection, item, receipt, ended)
            finish(connection, item, self._context.clock.wall(), detail, remark)
            if item.batch is None:
                return []
            return note_delivered(connection, self._context.service.name, recipe_of(rule))

        freed = await self._context.store.write(write)
        reach("output.recorded")
        for name in freed:
            log.info("its results can be delivered after all", action="rule.resumed", rule=name)
            self._context.stage_events.intake.notify()
            self._context.stage_events.dispatch.notify()
        if remark:
            log.warning(remark, action="item.partial", rule=item.rule, path=item.path, outputs=results)
        else:
            log.info("result delivered", action="item.done", rule=item.rule, path=item.path, outputs=results)

    async def follow(self, item: Item, rule: Rule, placed: list[OutputPath], remark: str, *, lacking: int = 0) -> str:
        """Let go of the source of a result, unless somebody is to accept that first; tell those that take it.

        The source stays where `lacking` outputs are not in their places, since it may be all that is left to have them
        from. Gives what was done, for the story of the item.
        """
        detail = "; waits for review" if item.review is Review.WAITING else ""
        lets_go = rule.after.kind is not AfterKind.KEEP and item.current and not remark and item.review in RELEASED
        if lets_go and lacking:
            why = f"the source stays: {lacking} of its results {'is' if lacking == 1 else 'are'} not in place"
            log.warning(why, action="source.retained", rule=item.rule, path=item.path)
            detail += f"; {why}"
        elif lets_go:
            others = await self._record_results(item, rule, placed)
            waits = f"; the source stays until rule {', '.join(others)} is done with it"
            detail += waits if others else await self._dispose(item, rule)
        if place_for(item, rule) is Place.OUTPUT:
            self._hint_takers(rule, placed)
        return detail

    async def _remark(self, item: Item) -> str:
        """What is missing of the result of an item, or of the one whose result it shares."""
        number = item.duplicate_of
        if item.remark or number is None:
            return item.remark
        original = await self._context.store.read(lambda connection: item_by_id(connection, number))
        return original.remark if original else ""

    async def _record_results(self, item: Item, rule: Rule, placed: list[OutputPath]) -> list[str]:
        """Put on record that the results stand; give the rules over the same folder that want the source still."""
        rules = beside(self._context.rules.values(), rule)
        others = [each.name for each in rules if each.matcher.matches(item.path)]

        def write(connection: Connection) -> list[str]:
            self._stands(connection, item, placed)
            return _unserved(connection, others, item)

        return await self._context.store.write(write)

    def _hint_takers(self, rule: Rule, placed: list[OutputPath]) -> None:
        """Let the rules that take these results look for them, before the item counts as done."""
        for taker in takers(self._context.rules.values(), rule):
            for below in (path.below(taker.watch) for path in placed):
                if below is not None:
                    self._context.hint(taker.name, below)

    def _stands(self, connection: Connection, item: Item, placed: list[OutputPath]) -> None:
        """The result is there: its duplicates may take it, however long the source cannot be disposed of."""
        now = self._context.clock.wall()
        for path in placed:
            output_written(connection, item, path, now)
        release_duplicates(connection, item.id, now)

    async def _dispose(self, item: Item, rule: Rule) -> str:
        """Carry out `after:` now that the result is durable; a source that changed since is left alone.

        Gives what was done, for the story of the item. Raises FileError when the disk does not let it:
        then the item is not done, and this is tried again.
        """
        disposal = ""
        try:
            if rule.after.kind is AfterKind.DELETE:
                await self._output_io.run_held(item, rule, files.remove, rule.watch, item.path, item.stat)
                disposal = "; the source was deleted"
            else:
                moved = await self._output_io.run_held(item, rule, _archive, rule, item)
                disposal = f"; the source was moved to {moved}"
        except (files.Changed, files.Missing):
            pass  # gone already, as after a crash, or a newer version that is work of its own
        except files.Taken as error:
            self._context.log_throttle.warning(str(error), action="source.retained", rule=item.rule, path=item.path)
            disposal = f"; the source was kept: {error}"
        reach("source.disposed")
        return disposal

    async def report_failure(self, item: Item, rule: Rule | None) -> None:
        """Write the note about a failure where the owner of the file will look.

        The file may have been replaced in the meantime, and may even be done: then the note goes again.
        """
        if rule is not None:
            await self._note(rule, item)
        now = self._context.clock.wall()
        wanted = await self._context.store.write(lambda connection: note_written(connection, item, now))
        if rule is not None and not wanted:
            await self._output_io.run(rule, files.remove_note, rule.output, failure_note(item.path))

    async def _note(self, rule: Rule, item: Item) -> None:
        try:
            await self._output_io.run(rule, _write_note, rule, item)
        except files.Taken as error:
            self._context.log_throttle.warning(str(error), action="note.skipped", rule=item.rule, path=item.path)
        reach("note.written")


def _write_note(rule: Rule, item: Item) -> None:
    files.ensure_root(rule.output)
    files.write_note(rule.output, failure_note(item.path), note_for(item))


def _archive(rule: Rule, item: Item) -> str:
    """Move a source away; where a file of that name lies already, under a name with a mark. Give its new path."""
    folder, content = rule.after.folder, item.content_hash or ""
    files.ensure_root(folder)
    try:
        moved = files.move(rule.watch, item.path, folder, item.path, item.stat, sha256=content)
    except files.Taken:
        moved = files.move(rule.watch, item.path, folder, marked(item.path, content[:8]), item.stat, sha256=content)
    return f"{folder}/{moved.relative}"


def _unserved(connection: Connection, others: list[str], item: Item) -> list[str]:
    """The rules of these that have not yet succeeded with the content of an item.

    To be asked in the transaction that records the results of the item itself: of two rules that end at the same
    time the second one sees the first.
    """
    return [rule for rule in others if not _is_served(connection, item_at(connection, rule, item.path), item)]


def _is_served(connection: Connection, other: Item | None, item: Item) -> bool:
    if other is None:
        return False
    if other.state is ItemState.SKIPPED:  # left alone on purpose
        return True
    if other.content_hash != item.content_hash or other.review not in RELEASED:
        return False
    if other.state is ItemState.DOWNLOADING:
        outputs = outputs_of(connection, other.id)
        return bool(outputs) and all(output.written for output in outputs)
    return other.state is ItemState.DONE


def note_for(item: Item) -> str:
    """The text of the note about one item."""
    moment = datetime.fromtimestamp(item.ended_at or 0.0, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    lines = [
        f"File:    {item.path}",
        f"Why:     {item.failure or item.failure_code or 'no reason was given'}",
        f"When:    {moment}",
        f"What to do: {remedy_for(item.state, item.failure_code, item.rule, item.path)}",
        "",
        f"(rule {item.rule}, code {item.failure_code or 'none'}, reference {item.client_ref})",
        "This note disappears when the file has been processed.",
    ]
    return "\n".join(lines)
