"""One item from "result known" to "output in place": shared, adopted after a crash, or downloaded."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from runflowd import files
from runflowd.api.errors import ApiError, Scope
from runflowd.core.naming import output_path
from runflowd.core.review import Place, put_in
from runflowd.errors import RunflowdError
from runflowd.pipeline.deliver.output_writer import OutputWriter, mirrored, place_for
from runflowd.pipeline.deliver.renames import is_gone, may_be_renamed, remove_result
from runflowd.pipeline.deliver.result_check import BrokenResult, Label
from runflowd.pipeline.deliver.result_downloader import NoResult, ResultDownloader, intact
from runflowd.pipeline.deliver.verdict import is_final
from runflowd.store.items import holders_of, holders_of_file
from runflowd.store.outputs import Output, forget_output, outputs_of, outputs_written
from runflowd.store.receipts import moved_along
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from runflowd.core.model import OutputPath, Rule
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.deliver.output_io import OutputIo
    from runflowd.store import Connection
    from runflowd.store.items import Item


class Undelivered(RunflowdError):
    """Some outputs of an item could not be delivered, each with its trouble; those that could be stand in their places.

    `trouble` is one that may pass, if there is any: then all of them are tried again.
    """

    def __init__(self, errors: list[BrokenResult | ApiError], placed: list[OutputPath]) -> None:
        self.first_error = next((each for each in errors if not is_final(each)), errors[0])
        others = f". The other outputs are delivered: {', '.join(each.relative for each in placed)}" if placed else ""
        super().__init__(f"{self.first_error}{others}")


SPACE_LOOK = 1.0
"""Seconds for which a look at the free space of an output folder counts."""


class Delivery:
    """Brings the outputs of items in place. Every step may be repeated after a crash."""

    def __init__(self, context: Context, output_io: OutputIo) -> None:
        self._context = context
        self._output_io = output_io
        self._downloader = ResultDownloader(context, output_io)
        self._output_writer = OutputWriter(context, output_io)
        self._checked: dict[str, float] = {}
        self._checking: set[str] = set()

    async def bring(self, item: Item, rule: Rule, done: list[Output]) -> list[OutputPath]:
        """Put every output of an item in place; give their paths.

        `done` are the outputs on record, which an earlier try left.
        """
        await self._check_space(rule)
        stand = bool(done) and all(output.written and not _lies_elsewhere(output, item, rule) for output in done)
        if stand and await self._all_intact(rule, done):
            placed = [output.path for output in done]
            # All stands, as after a crash: the old place may be left to clear.
            for holder in await self._holders(item, holders_of_file):
                if await self._became(item, holder, rule):
                    await self._clear(item, holder, rule, placed)
            return placed
        placed = await self._share(item, rule, done)
        await self._forget_outdated(item, rule, done, placed)
        return placed

    async def origin(self, item: Item) -> Item:
        """The item that was paid for: the very one, or where it shares a result, the other."""
        with suppress(NoResult):
            return await self._downloader.paid_before(item)
        return item

    async def _forget_outdated(self, item: Item, rule: Rule, done: list[Output], placed: list[OutputPath]) -> None:
        """What lies where `output` was before an edit is nobody's any more, now that it stands in the new place."""
        standing = {str(path) for path in placed}
        for output in done:
            if _lies_elsewhere(output, item, rule) and str(output.path) not in standing:
                if output.place is not Place.OUTPUT:
                    with suppress(files.Changed, files.Missing):  # somebody edits or removed it: it is theirs
                        await self._output_io.run_held(item, rule, remove_result, output, placed)
                await self._context.store.write(partial(forget_output, path=output.path, by=item.claim))

    async def _holders(self, item: Item, find: Callable[[Connection, Item], list[Item]]) -> list[Item]:
        """Items that have, or had, a result of the same content under the same recipe.

        None for an item that is to have a result of its own, since it was bought itself just now.
        """
        if item.duplicate_of is None and item.ended_at is None:
            return []
        return await self._context.store.read(lambda connection: find(connection, item))

    async def _check_space(self, rule: Rule) -> None:
        """Make the folders to deliver to and see that their disks have room, at most every `SPACE_LOOK` seconds."""
        now = self._context.clock.now()
        age = now - self._checked.get(rule.output, -math.inf)
        # While one looks, the others go by the look before, unless that is too old for anybody.
        if age < SPACE_LOOK or (age < 2 * SPACE_LOOK and rule.output in self._checking):
            return
        self._checking.add(rule.output)
        try:
            await self._output_io.run(rule, _check_space, rule, self._context.limits.free_space)
        except BaseException:
            self._checked.pop(rule.output, None)
            raise
        finally:
            self._checking.discard(rule.output)
        self._checked[rule.output] = now

    async def _all_intact(self, rule: Rule, outputs: list[Output]) -> bool:
        return all([await self._output_io.run(rule, intact, output) for output in outputs])

    async def _intact_outputs(self, holder: Item, rule: Rule) -> list[Output]:
        """The result of another item, if all of it stands; none where it has moved along just now."""
        theirs = await self._context.store.read(partial(outputs_of, item=holder.id))
        return theirs if await self._all_intact(rule, theirs) else []

    async def _share(self, item: Item, rule: Rule, done: list[Output]) -> list[OutputPath]:
        """Take the result of an item with the same content and recipe: copied, or fetched anew, never bought."""
        before = [output for output in done if _lies_elsewhere(output, item, rule)]
        if before and await self._all_intact(rule, before):
            return await self._copies(item, rule, done, before)
        for holder in await self._holders(item, holders_of_file):
            undone = await self._became(holder, item, rule)
            if undone and not await self._output_io.run(rule, is_gone, rule, holder, item):
                return []  # a rename that was undone meanwhile: the result is where it belongs
            theirs = await self._intact_outputs(holder, rule)
            if not theirs:
                continue
            heir = holder.id if await self._became(item, holder, rule) else None
            placed = await self._copies(item, rule, done, theirs, heir)
            if heir is not None:
                await self._clear(item, holder, rule, placed)
            return placed
        for holder in await self._holders(item, holders_of):
            if theirs := await self._intact_outputs(holder, rule):
                return await self._copies(item, rule, done, theirs)
        return await self._download(item, await self._downloader.paid_before(item), rule, done)

    async def _became(self, item: Item, other: Item, rule: Rule) -> bool:
        """Whether the file of `other` is that of `item` now, under a new name."""
        return may_be_renamed(item, other, rule) and await self._output_io.run(rule, is_gone, rule, other, item)

    async def _copies(
        self, item: Item, rule: Rule, done: list[Output], theirs: list[Output], heir: int | None = None
    ) -> list[OutputPath]:
        return [
            await self._already_there(item, done, index, rule)
            or await self._copy(item, rule, output, index, len(theirs), heir)
            for index, output in enumerate(theirs)
        ]

    async def _copy(
        self, item: Item, rule: Rule, output: Output, index: int, count: int, heir: int | None
    ) -> OutputPath:
        async with self._draft(item, rule) as draft:
            await self._output_io.run(rule, _copy_into, output, draft)
            return await self._output_writer.place(
                item, rule, draft, Label(name=output.path.relative), index, count, heir
            )

    async def _clear(self, item: Item, original: Item, rule: Rule, placed: list[OutputPath]) -> None:
        """The source was renamed, so its result moves along: the new one stands, the old place is cleared."""
        now = self._context.clock.wall()

        def write(connection: Connection) -> None:
            outputs_written(connection, [(item, placed)], now)
            moved_along(connection, original, item.path, placed, now)

        await self._context.store.write(write)
        reach("output.shared")
        for output in await self._context.store.read(partial(outputs_of, item=original.id)):
            with suppress(files.Changed, files.Missing):  # somebody edits or removes it: it is theirs
                await self._output_io.run_held(item, rule, remove_result, output, placed)
            reach("output.cleared")
            await self._context.store.write(partial(forget_output, path=output.path, by=item.claim))

    async def _download(self, item: Item, origin: Item, rule: Rule, done: list[Output]) -> list[OutputPath]:
        """Fetch what `origin` was paid for, which is the item itself or the one it shares with."""
        references = await self._downloader.references(origin, rule)
        placed: list[OutputPath] = []
        errors: list[BrokenResult | ApiError] = []
        for index in range(len(references)):
            try:
                standing = await self._already_there(item, done, index, rule)
                if standing is None:
                    async with self._draft(item, rule) as draft:
                        mime_type = await self._downloader.download(origin, rule, references, index, draft)
                        label = Label(mime_type, references[index].name_hint)
                        standing = await self._output_writer.place(item, rule, draft, label, index, len(references))
                placed.append(standing)
            except (BrokenResult, ApiError) as error:  # the others of this item are paid for as well
                if isinstance(error, ApiError) and error.scope is not Scope.ITEM:
                    raise
                errors.append(error)
        if errors:
            raise Undelivered(errors, placed)
        return placed

    @asynccontextmanager
    async def _draft(self, item: Item, rule: Rule) -> AsyncGenerator[files.Draft]:
        """A file to be written, in the folder where it will appear; left uncommitted, it vanishes."""
        # Only the folder matters here; the draft's own name is temporary.
        folder = put_in(place_for(item, rule), output_path(rule, mirrored(item), "png")).rpartition("/")[0]
        draft = files.Draft(rule.output, folder, limit=self._context.limits.download_size)
        try:
            yield draft
        finally:
            if not draft.closed:
                await self._output_io.clean_up(rule, draft.discard)

    async def _already_there(self, item: Item, done: list[Output], index: int, rule: Rule) -> OutputPath | None:
        """The path of an output that a crash kept from being recorded, if it is whole."""
        for output in done:
            here = output.position == index and not _lies_elsewhere(output, item, rule)
            if here and await self._output_io.run(rule, intact, output):
                return output.path
        return None


def _lies_elsewhere(output: Output, item: Item, rule: Rule) -> bool:
    """Whether an output was written below another folder than the one that its rule delivers to now."""
    return output.path.root != rule.output or output.place is not place_for(item, rule)


def _check_space(rule: Rule, floor: int) -> None:
    for folder in rule.delivered_to.values():
        files.ensure_root(folder)
        files.require_space(folder, floor)


def _copy_into(output: Output, draft: files.Draft) -> None:
    standing = files.stat(*output.path)
    if standing is None:
        raise files.Changed("copy", str(output.path))
    for piece in files.read_chunks(*output.path, standing, sha256=output.content_hash):
        draft.write(piece)
