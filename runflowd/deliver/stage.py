"""The deliver loop: fetch each result, put it in place, close the item; tell failures where people look."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread
import structlog

from runflowd import files
from runflowd.api.errors import ApiError, Expired, NotFound, Unauthorized, Unsafe
from runflowd.conveyor import LONGEST_NAP, Conveyor
from runflowd.core.backoff import delay
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import AfterKind
from runflowd.core.naming import failure_note, output_path
from runflowd.deliver.fetch import Fetching, NoResult
from runflowd.deliver.notes import note_for
from runflowd.deliver.place import BrokenResult, Placing
from runflowd.failpoints import reach
from runflowd.incidents import DISK, SERVICE, Trouble, rule_scope
from runflowd.snapshot import from_text
from runflowd.store.batches import Lease
from runflowd.store.facts import Output, forget_output, output_written, outputs_of
from runflowd.store.items import Item, item_from, move, release_followers
from runflowd.trouble import of_service, unexpected

if TYPE_CHECKING:
    from runflowd.context import Context
    from runflowd.core.model import Rule
    from runflowd.store import Connection

log = structlog.get_logger()

MOST_TRIES = 8
"""Tries of one download before a paid result counts as lost and a person is asked."""


class Deliver:
    """Stage four. Claims items whose result is known, and failures nobody was told of."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._fetching = Fetching(context)
        self._placing = Placing(context)
        self.conveyor: Conveyor[Item] = Conveyor(
            "deliver",
            context,
            context.bells.deliver,
            slots=context.limits.downloads,
            claim=self._claim,
            work=self._work,
            give_back=self._give_back,
            pause=self._pause,
        )

    async def _claim(self, room: int) -> list[Item]:
        context = self._context
        if context.incidents.closed_for(DISK):
            return []
        deliveries = not context.incidents.closed_for(SERVICE)
        lease = Lease(context.store.owner, context.clock.wall())
        values = {"owner": lease.owner, "now": lease.now, "until": lease.until}
        paused = json.dumps(context.incidents.paused_rules())

        def take(connection: Connection) -> list[Item]:
            rows = connection.all("claim_deliveries", limit=room, paused=paused, **values) if deliveries else []
            rows += connection.all("claim_notes", limit=room - len(rows), paused=paused, **values)
            return [item_from(row) for row in rows]

        return await context.store.write(take)

    async def _pause(self) -> float:
        context = self._context
        if closed := context.incidents.closed_for(DISK, SERVICE):
            return closed
        row = await context.store.read(lambda connection: connection.one("next_delivery"))
        if row is None or row["due_at"] is None:
            return LONGEST_NAP
        return max(0.2, float(row["due_at"]) - context.clock.wall())

    async def _work(self, item: Item) -> None:
        rule = await self._rule_of(item)
        if rule is None:
            await self._set_noted(item, noted=True)
        elif item.state is ItemState.DELIVERING:
            await self._deliver(item, rule)
        else:
            await self._tell_failure(item, rule)

    async def _rule_of(self, item: Item) -> Rule | None:
        """The rule as it was when the item was accepted; the present one for a file never accepted."""
        if item.snapshot is None:
            return self._context.rules.get(item.rule)
        row = await self._context.store.read(lambda connection: connection.one("snapshot", id=item.snapshot))
        return from_text(row["text"]) if row else None

    async def _deliver(self, item: Item, rule: Rule) -> None:
        await self._check_space(rule)
        done = await self._context.store.read(lambda connection: outputs_of(connection, item.id))
        if item.source_item is not None and not done:
            placed = await self._share(item, rule)
        else:
            placed = await self._download(item, rule, done)
        await self._close(item, rule, placed)
        await self._context.incidents.over(DISK, SERVICE, rule_scope(item.rule))

    async def _check_space(self, rule: Rule) -> None:
        await anyio.to_thread.run_sync(files.ensure_root, rule.output)
        if await anyio.to_thread.run_sync(files.free_space, rule.output) < self._context.limits.free_space:
            raise files.NoSpace("write into", rule.output, what="too little space is left on its disk")

    async def _download(self, item: Item, rule: Rule, done: list[Output]) -> list[str]:
        if item.source_item is not None:
            twin, _ = await self._fetching.paid_before(item)
            references = await self._fetching.references(twin, rule)
        else:
            references = await self._fetching.references(item, rule)
        placed: list[str] = []
        for index, reference in enumerate(references):
            standing = await self._already_there(done, index, rule)
            if standing is None:
                with await anyio.to_thread.run_sync(self._draft, item, rule) as draft:
                    await self._fetching.download(item, reference, draft)
                    standing = await self._placing.place(item, rule, draft, index, len(references))
            placed.append(standing)
        return placed

    def _draft(self, item: Item, rule: Rule) -> files.Draft:
        # Only the folder matters here; the draft's own name is temporary.
        folder = output_path(rule, item.path, "png").rpartition("/")[0]
        return files.start_draft(rule.output, folder, limit=self._context.limits.download_size)

    async def _already_there(self, done: list[Output], index: int, rule: Rule) -> str | None:
        """The path of an output that a crash kept from being recorded, if it is whole."""
        for output in done:
            relative = output.path.removeprefix(f"{rule.output}/")
            if done.index(output) == index and await anyio.to_thread.run_sync(_holds, rule.output, relative, output):
                return relative
        return None

    async def _share(self, item: Item, rule: Rule) -> list[str]:
        """Take the result of an item with the same content and recipe: copied, or fetched anew, never bought."""
        twin, intact = await self._fetching.paid_before(item)
        if not intact:
            return await self._download(item, rule, [])
        moved = twin.path != item.path and await anyio.to_thread.run_sync(_is_gone, rule, twin)
        placed: list[str] = []
        for index, output in enumerate(intact):
            with await anyio.to_thread.run_sync(self._draft, item, rule) as draft:
                await anyio.to_thread.run_sync(_copy_into, output, draft)
                placed.append(await self._placing.place(item, rule, draft, index, len(intact)))
        if moved:
            await self._remove_old(intact)
        return placed

    async def _remove_old(self, outputs: list[Output]) -> None:
        """The source was renamed, so its result moves along: the copy exists, the old place is cleared."""
        for output in outputs:
            folder, _, name = output.path.rpartition("/")
            with suppress(files.FileTrouble):
                await anyio.to_thread.run_sync(_remove_output, folder, name)
            await self._context.store.write(partial(forget_output, path=output.path))

    async def _close(self, item: Item, rule: Rule, placed: list[str]) -> None:
        now = self._context.clock.wall()

        def write(connection: Connection) -> int:
            for relative in placed:
                output_written(connection, f"{rule.output}/{relative}", now)
            connection.run("drop_output", id=item.id)
            move(connection, item.id, ItemState.DELIVERING, ItemState.DONE, now=now)
            return release_followers(connection, item.id)

        await self._context.store.write(write)
        reach("output.recorded")
        if item.noted:
            await anyio.to_thread.run_sync(files.remove_note, rule.output, failure_note(item.path))
            await self._set_noted(item, noted=False)
        await self._dispose(item, rule)
        log.info("delivered", action="item.done", rule=item.rule, path=item.path, outputs=placed)

    async def _dispose(self, item: Item, rule: Rule) -> None:
        """Carry out `after:`, now that the result is durable; a source that changed since is left alone."""
        if rule.after.kind is AfterKind.KEEP or not item.current:
            return
        try:
            if rule.after.kind is AfterKind.DELETE:
                await anyio.to_thread.run_sync(files.remove, rule.watch, item.path, item.stat)
            else:
                await anyio.to_thread.run_sync(_archive, rule, item)
        except files.FileTrouble as trouble:
            log.warning(str(trouble), action="source.kept", rule=item.rule, path=item.path)
        reach("source.disposed")

    async def _tell_failure(self, item: Item, rule: Rule) -> None:
        try:
            await anyio.to_thread.run_sync(files.ensure_root, rule.output)
            await anyio.to_thread.run_sync(files.write_note, rule.output, failure_note(item.path), note_for(item))
        except files.Taken as trouble:
            log.warning(str(trouble), action="note.skipped", rule=item.rule, path=item.path)
        await self._set_noted(item, noted=True)

    async def _set_noted(self, item: Item, *, noted: bool) -> None:
        await self._context.store.write(lambda connection: connection.run("set_noted", id=item.id, noted=int(noted)))

    async def _give_back(self, item: Item, error: Exception) -> None:
        context = self._context
        tries = item.attempts
        trouble = _wider_trouble(item, error)
        if trouble:
            await context.incidents.report(trouble)
        else:
            tries += 1
            log.warning(
                str(error),
                action="delivery.trouble",
                rule=item.rule,
                path=item.path,
                tries=tries,
                exc_info=unexpected(error),
            )
        if trouble is None and item.state is ItemState.DELIVERING and (tries >= MOST_TRIES or _is_final(error)):
            await self._give_up(item, error)
            return
        pause = delay(max(tries, 1), cap=300.0, jitter=context.clock.jitter())
        values = {"attempts": tries, "due_at": context.clock.wall() + pause, "failure_code": "", "failure": str(error)}
        await context.store.write(
            lambda connection: connection.run(
                "release_item", id=item.id, owner=context.store.owner, generation=item.generation, **values
            )
        )

    async def _give_up(self, item: Item, error: Exception) -> None:
        """Paid, and not to be had: kept with its receipt, never bought again unless a person says so."""
        now = self._context.clock.wall()
        code = "NO_RESULT" if isinstance(error, NoResult) else "RESULT_LOST"
        await self._context.store.write(
            lambda connection: move(
                connection, item.id, item.state, ItemState.UNKNOWN, code=code, reason=str(error), now=now
            )
        )
        self._context.bells.deliver.ring()
        log.error(str(error), action="item.unknown", rule=item.rule, path=item.path, code=code)


def _is_final(error: Exception) -> bool:
    return isinstance(error, NoResult | NotFound | Unsafe)


def _wider_trouble(item: Item, error: Exception) -> Trouble | None:
    """The trouble behind a delivery that did not work, when it is not the item's own."""
    if isinstance(error, files.NoSpace):
        return Trouble(DISK, "NO_SPACE", str(error), "Free space there; delivery resumes by itself")
    if isinstance(error, files.FileTrouble):
        return Trouble(rule_scope(item.rule), "OUTPUT_UNUSABLE", str(error), error.advice or "Mend the folder")
    if isinstance(error, ApiError) and not isinstance(error, Expired | BrokenResult):
        return of_service(error) if isinstance(error, Unauthorized) or error.scope == "service" else None
    return None


def _holds(root: str, relative: str, output: Output) -> bool:
    standing = files.stat(root, relative)
    return standing is not None and files.hash_file(root, relative, standing) == output.content


def _copy_into(output: Output, draft: files.Draft) -> None:
    folder, _, name = output.path.rpartition("/")
    standing = files.stat(folder, name)
    if standing is None:
        raise files.Changed("copy", output.path)
    for piece in files.read_chunks(folder, name, standing, sha256=output.content):
        draft.write(piece)


def _is_gone(rule: Rule, twin: Item) -> bool:
    return files.root_identity(rule.watch) is not None and files.stat(rule.watch, twin.path) is None


def _remove_output(folder: str, name: str) -> None:
    standing = files.stat(folder, name)
    if standing is not None:
        files.remove(folder, name, standing)


def _archive(rule: Rule, item: Item) -> None:
    files.ensure_root(rule.after.folder)
    files.move(rule.watch, item.path, rule.after.folder, item.path, item.stat, sha256=item.content or "")
