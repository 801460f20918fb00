"""From a finished draft to a file under its final name, recorded before and after.

The bytes are on disk before the name is chosen, the name is recorded before the rename, and the
rename never replaces a file that is not ours. A crash at any line leaves either nothing visible or
a file that the next try recognises by its hash.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from runflowd import files
from runflowd.core.media.result_kind import UNKNOWN
from runflowd.core.model import OutputPath
from runflowd.core.naming import EXTENSIONS, marked, output_path
from runflowd.core.review import Place, place_of, put_in
from runflowd.pipeline.deliver.result_check import checked_type
from runflowd.store.outputs import Output, Reservation, forget_output, output_at, reserve_outputs
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.core.model import Rule, Stat
    from runflowd.files import Draft
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.deliver.output_io import OutputIo
    from runflowd.pipeline.deliver.result_check import Label
    from runflowd.store.items import Item


log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TargetName:
    """A name that may be taken; `replaces` is our own older file there, `adopted` the very same bytes."""

    path: OutputPath
    replaces: Stat | None = None
    overwrite: bool = False
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Naming:
    """What the name of an output is made of, beside its source: its extension, and which it is of how many."""

    extension: str
    index: int
    count: int


class OutputWriter:
    """Puts drafts in place below a rule's output folder."""

    def __init__(self, context: Context, output_io: OutputIo) -> None:
        self._context = context
        self._output_io = output_io
        self._unknown: set[str] = set()

    async def place(
        self, item: Item, rule: Rule, draft: Draft, label: Label, index: int, count: int, heir: int | None = None
    ) -> OutputPath:
        """Check, name, record and rename one output; give its path.

        The names of the item `heir`, whose file has become this one, are free to take.
        """
        mime, written, free = await self._output_io.run(rule, self._finished, item, rule, draft, label, index, count)
        naming = Naming(EXTENSIONS[mime], index, count)
        path = await self.give_name(item, rule, naming, written, partial(_commit, draft), free, heir)
        self._log_unknown_kind(rule, mime, path.relative)
        return path

    async def give_name(
        self,
        item: Item,
        rule: Rule,
        naming: Naming,
        written: files.Written,
        rename: Callable[[TargetName], None],
        free: str = "",
        heir: int | None = None,
    ) -> OutputPath:
        """Give a whole file the best name that its item may have, recorded before `rename` carries it out.

        `free` is a name at which nothing stands. The name is below the folder in which the result belongs by now.
        """
        place = place_for(item, rule)
        refused: set[str] = set()
        while True:
            name = (naming.extension, naming.index, naming.count)
            plain = output_path(rule, mirrored(item), *name, taken=lambda path: path in refused)
            path = OutputPath(rule.output, put_in(place, plain))
            # A rename replaces nothing by itself, so a name that was free needs no second look.
            target = (
                TargetName(path)
                if path.relative == free
                else await self._find_target(item, rule, path, written.sha256, heir)
            )
            if target is None or not await self._reserve(item, rule, path, naming.index, written, heir):
                refused.add(plain)
                continue
            try:
                await self._output_io.run_held(item, rule, rename, target)
            except files.InTheWay:
                raise  # no other name helps
            except files.Taken:
                await self._context.store.write(partial(forget_output, path=path, by=item.claim))
                refused.add(plain)
                continue
            return path

    def _log_unknown_kind(self, rule: Rule, mime: str, relative: str) -> None:
        if mime == UNKNOWN and rule.name not in self._unknown:
            self._unknown.add(rule.name)
            message = "the kind of a result is not known, so it is delivered as .bin; others of the rule will be, too"
            log.warning(message, action="output.unknown_kind", rule=rule.name, output=relative)

    async def _find_target(
        self, item: Item, rule: Rule, path: OutputPath, content: str, heir: int | None
    ) -> TargetName | None:
        """Whether the name may be used; None when it belongs to somebody else."""
        recorded = await self._context.store.read(lambda connection: output_at(connection, str(path)))
        return await self._output_io.run(rule, _check_target, item, rule, path, content, recorded, heir)

    async def _reserve(
        self, item: Item, rule: Rule, path: OutputPath, index: int, written: files.Written, heir: int | None
    ) -> bool:
        """Take a name, unless another input was quicker: looked at and recorded in one transaction."""
        fits = partial(_may_have, item, rule, path, heir=heir)
        wanted = Reservation(item, path, index, written.sha256, written.stat.size, place_for(item, rule), fits)
        if not await self._context.store.write_together(reserve_outputs, wanted):
            return False
        reach("output.reserved")
        return True

    def _finished(
        self, item: Item, rule: Rule, draft: Draft, label: Label, index: int, count: int
    ) -> tuple[str, files.Written, str]:
        """Check and sync a draft; give its type, its facts, and its first name if no file stands there, else ""."""
        on_progress = self._context.io.written(rule).note_progress
        mime = checked_type(draft, label, rule.output, self._context.decoder, on_progress)
        written = draft.flush()
        relative = put_in(place_for(item, rule), output_path(rule, mirrored(item), EXTENSIONS[mime], index, count))
        return mime, written, relative if draft.is_free(relative.rpartition("/")[2]) else ""


def mirrored(item: Item) -> str:
    """The input path that names an item's outputs; a superseded content is filed beside the new one."""
    return item.path if item.current else marked(item.path, (item.content_hash or "")[:8])


def place_for(item: Item, rule: Rule) -> Place:
    """Where below the output folder the result of an item belongs."""
    return place_of(item.review, rule.review.mode)


def _commit(draft: Draft, target: TargetName) -> None:
    if not target.adopted:
        draft.commit(target.path.relative.rpartition("/")[2], replaces=target.replaces, overwrite=target.overwrite)


def _may_have(item: Item, rule: Rule, path: OutputPath, recorded: Output | None, *, heir: int | None) -> bool:
    """Whether a path is nobody's on record, or this very input's, or that of the one whose file it has become.

    What was rejected gives its name to nobody.
    """
    if recorded is None or recorded.item == heir:
        return True
    same = (recorded.rule, recorded.source, str(recorded.path)) == (item.rule, item.path, str(path))
    return same and (recorded.item == item.id or place_for(item, rule) is not Place.REJECTED)


def _check_target(
    item: Item, rule: Rule, path: OutputPath, content: str, recorded: Output | None, heir: int | None
) -> TargetName | None:
    standing = files.stat(*path)
    if not _may_have(item, rule, path, recorded, heir=heir):
        return None
    if standing is None:
        return TargetName(path)
    found = files.hash_file(*path, standing)
    if found == content:
        return TargetName(path, adopted=True)
    if recorded is not None and found in {recorded.content_hash, *recorded.earlier}:
        return TargetName(path, replaces=standing)
    return TargetName(path, overwrite=True) if rule.overwrite and place_for(item, rule) is Place.OUTPUT else None
