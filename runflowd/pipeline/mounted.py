"""Which folders of a rule this host has: those that carry the mark on record.

The same share is mounted here and there, and where it is not, an empty folder stands at its place. So several hosts on
one store read from a watched folder, and place results, only where the mark is (`files/identity.py`): that of the
watched folder is on record as its root's, those of the folders that results go to are noted beside it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import anyio

from runflowd import files
from runflowd.core.model import AfterKind
from runflowd.errors import RunflowdError
from runflowd.pipeline.output_identity import require_same
from runflowd.store.roots import mark_of_output, mark_of_watched, save_output_mark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.core.model import Rule
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection

COUNTS_FOR = 1.0
"""Seconds for which a look counts."""

RETRY_AFTER = 15.0
"""Seconds after which what another host is to do is looked at here again."""


class NotMounted(RunflowdError):
    """A folder of a rule is not the marked one on this host: another one is to do the work."""

    def __init__(self, rule: str, folder: str) -> None:
        super().__init__(
            f"rule {rule}: {folder} on this host is not the folder that carries the mark, so the work is left to one "
            "that has it. Mount it here as on the others"
        )


class Marks(NamedTuple):
    """The marks on record of a rule: of the watched folder, and of those that results go to; None where is none."""

    watch: str | None
    outputs: Mapping[str, str | None]


class Mounted(NamedTuple):
    """Whether the watched folder of a rule, and each of those that results go to, are the marked ones."""

    watch: bool
    outputs: Mapping[str, bool]


def disposes(rule: Rule) -> bool:
    """Whether a delivery touches the watched folder."""
    return rule.after.kind is not AfterKind.KEEP


def folders_of(rule: Rule) -> tuple[str, ...]:
    """What is known of the folders of a rule is known as long as this stays: its name, and all of them."""
    return (rule.name, rule.watch, *rule.delivered_to.values())


def marks_of(connection: Connection, rule: Rule) -> Marks:
    """What is on record of the folders of a rule."""
    outputs = {folder: mark_of_output(connection, folder) for folder in rule.delivered_to.values()}
    return Marks(mark_of_watched(connection, rule.name), outputs)


async def look(context: Context, rule: Rule) -> Mounted:
    """Ask the folders of a rule who they are. Raises `StoreError`."""
    marks = await context.store.read(partial(marks_of, rule=rule))
    watched = await context.io.watched(rule).read(_mark_at, rule.watch)
    written = await context.io.written(rule).read(lambda: {folder: _mark_at(folder) for folder in marks.outputs})
    outputs = {folder: bool(mark) and written[folder] == mark for folder, mark in marks.outputs.items()}
    return Mounted(watched is not None and (not marks.watch or watched == marks.watch), outputs)


async def mark_outputs(context: Context, rule: Rule) -> bool:
    """Mark the folders that results go to and that have no mark on record; whether there were any."""
    marks = await context.store.read(partial(marks_of, rule=rule))
    bare = [folder for folder, mark in marks.outputs.items() if not mark]
    for folder in bare:
        if mark := await context.io.written(rule).write(_marked, folder):
            await context.store.write(partial(save_output_mark, folder=folder, mark=mark))
    return bool(bare)


def _mark_at(folder: str) -> str | None:
    """The mark of a folder, "" without one; None where there is no folder. Blocking."""
    with suppress(files.FileError):
        return files.identify(folder).mark
    return None


def _marked(folder: str) -> str:
    """A folder with a mark, made if need be; "" where that cannot be. Blocking."""
    with suppress(files.FileError):
        files.ensure_root(folder)
        return files.identify(folder).mark or files.mark_folder(folder)
    return ""


def _places(folders: tuple[str, ...]) -> list[tuple[int, int] | None]:
    """Device and inode of what stands at each path. Blocking."""
    return [files.root_identity(folder) for folder in folders]


class MountCheck:
    """Asks right before the work: a share may have gone since that was claimed. What was seen counts for a moment."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._seen: dict[tuple[str, ...], tuple[float, Mounted]] = {}
        self._same: dict[tuple[str, ...], tuple[float, list[tuple[int, int] | None]]] = {}
        self._looking: defaultdict[tuple[str, ...], anyio.Lock] = defaultdict(partial(anyio.Lock, fast_acquire=True))

    async def require_watched(self, rule: Rule) -> None:
        """Raise `NotMounted` where several hosts share the store and this one has not the watched folder."""
        if self._context.duties.shared and not (await self._mounted(rule)).watch:
            raise NotMounted(rule.name, rule.watch)

    async def require_outputs(self, rule: Rule) -> None:
        """The same for what a delivery touches. A host that is alone raises `OutputChanged` or another `FileError`."""
        if not self._context.duties.shared:
            await self._require_same(rule)
            return
        mounted = await self._mounted(rule)
        missing = [folder for folder, there in mounted.outputs.items() if not there]
        missing += [rule.watch] if disposes(rule) and not mounted.watch else []
        if missing:
            raise NotMounted(rule.name, missing[0])

    async def _require_same(self, rule: Rule) -> None:
        folders = tuple(rule.delivered_to.values())
        async with self._looking[folders]:
            now, there = self._context.clock.now(), await self._context.io.written(rule).read(_places, folders)
            at, places = self._same.get(folders, (-math.inf, None))
            if now - at >= COUNTS_FOR or there != places:  # a disk may go at any moment
                await require_same(self._context, rule)
                self._same[folders] = (now, await self._context.io.written(rule).read(_places, folders))

    async def _mounted(self, rule: Rule) -> Mounted:
        folders = folders_of(rule)
        async with self._looking[folders]:  # what one sees counts for all that wait
            now = self._context.clock.now()
            at, found = self._seen.get(folders, (-math.inf, Mounted(watch=False, outputs={})))
            if now - at >= COUNTS_FOR:
                self._seen = {each: seen for each, seen in self._seen.items() if now - seen[0] < COUNTS_FOR}
                found = await look(self._context, rule)
                self._seen[folders] = (now, found)
        return found
