"""The end of an item: its note removed or written, its row closed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from runflowd import files
from runflowd.core.chains import takers
from runflowd.core.lifecycle import ItemState
from runflowd.core.naming import failure_note
from runflowd.core.outputs import PARTIAL_RESULT
from runflowd.core.receipt import Ended
from runflowd.core.remedies import remedy_for
from runflowd.core.review import Place, Review
from runflowd.core.undeliverable import recipe_of
from runflowd.pipeline.deliver.disposal import SourceDisposal
from runflowd.pipeline.deliver.output_writer import place_for
from runflowd.store.deliveries import Delivered, finish, note_delivered, note_written, results_stand
from runflowd.store.items import NoteState, item_by_id
from runflowd.store.receipts import receipt_stands
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runflowd.core.model import OutputPath, Rule
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.deliver.output_io import OutputIo
    from runflowd.pipeline.deliver.receipt_writer import ReceiptWriter
    from runflowd.store import Connection
    from runflowd.store.items import Item


log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Succeeded:
    """What is to be written of an item; `receipt` is the hash of that, `recipe` what it was bought by, "" for none."""

    delivered: Delivered
    receipt: str
    ended: Ended
    recipe: str


class Finalizer:
    """What follows once the outputs of an item stand under their names. All of it may be repeated."""

    def __init__(self, context: Context, output_io: OutputIo, receipts: ReceiptWriter) -> None:
        self._context = context
        self._output_io = output_io
        self._receipts = receipts
        self._disposal = SourceDisposal(context, output_io)

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

        recipe = recipe_of(rule) if item.batch is not None else ""
        freed = await self._context.store.write_together(
            self._record, _Succeeded(Delivered(item, placed, detail, remark), receipt, ended, recipe)
        )
        reach("output.recorded")
        for name in freed:
            log.info("its results can be delivered after all", action="rule.resumed", rule=name)
            self._context.stage_events.intake.notify()
            self._context.stage_events.dispatch.notify()
        if remark:
            log.warning(remark, action="item.partial", rule=item.rule, path=item.path, outputs=results)
        else:
            log.info("result delivered", action="item.done", rule=item.rule, path=item.path, outputs=results)

    def _record(self, connection: Connection, succeeded: Sequence[_Succeeded]) -> list[list[str]]:
        """Give the rules that go on for each: those that go on for a recipe go on for its first."""
        now, delivered = self._context.clock.wall(), [each.delivered for each in succeeded]
        results_stand(connection, delivered, now)
        for each in succeeded:
            if each.receipt:
                receipt_stands(connection, each.delivered.item, each.receipt, each.ended)
        finish(connection, delivered, now)
        service, recipes = self._context.service.name, dict.fromkeys(each.recipe for each in succeeded if each.recipe)
        freed = {recipe: note_delivered(connection, service, recipe) for recipe in recipes}
        return [freed.pop(each.recipe, []) for each in succeeded]

    async def follow(self, item: Item, rule: Rule, placed: list[OutputPath], remark: str, *, lacking: int = 0) -> str:
        """Let go of the source of a result of which `lacking` outputs are not in their places; tell those that take it.

        Gives what was done, for the story of the item.
        """
        detail = "; waits for review" if item.review is Review.WAITING else ""
        if not remark:
            detail += await self._disposal.let_go(item, rule, placed, lacking)
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

    def _hint_takers(self, rule: Rule, placed: list[OutputPath]) -> None:
        """Let the rules that take these results look for them, before the item counts as done."""
        for taker in takers(self._context.rules.values(), rule):
            for below in (path.below(taker.watch) for path in placed):
                if below is not None:
                    self._context.hint(taker.name, below)

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
