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
from runflowd.pipeline.deliver.result_check import checked_type
from runflowd.store.outputs import Output, forget_output, output_at, reserve_output
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.core.model import Rule, Stat
    from runflowd.files import Draft
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.deliver.output_io import OutputIo
    from runflowd.pipeline.deliver.result_check import Label
    from runflowd.store import Connection
    from runflowd.store.items import Item


log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TargetName:
    """A name that may be taken; `replaces` is our own older file there, `adopted` the very same bytes."""

    path: OutputPath
    replaces: Stat | None = None
    overwrite: bool = False
    adopted: bool = False


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
        refused: set[str] = set()
        while True:
            relative = output_path(
                rule, mirrored(item), EXTENSIONS[mime], index, count, taken=lambda path: path in refused
            )
            path = OutputPath(rule.output, relative)
            # A rename replaces nothing by itself, so a name that was free needs no second look.
            target = (
                TargetName(path)
                if relative == free
                else await self._find_target(item, rule, path, written.sha256, heir)
            )
            if target is None or not await self._reserve(item, path, index, written, heir):
                refused.add(relative)
                continue
            try:
                await self._output_io.run_held(item, rule, _commit, draft, target)
            except files.Taken:
                await self._context.store.write(partial(forget_output, path=path, by=item.claim))
                refused.add(relative)
                continue
            self._log_unknown_kind(rule, mime, relative)
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
        self, item: Item, path: OutputPath, index: int, written: files.Written, heir: int | None
    ) -> bool:
        """Take a name, unless another input was quicker: looked at and recorded in one transaction."""

        def write(connection: Connection) -> bool:
            if not _may_have(item, path, output_at(connection, str(path)), heir):
                return False
            reserve_output(connection, item, path, index, written.sha256, written.stat.size)
            return True

        if not await self._context.store.write(write):
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
        relative = output_path(rule, mirrored(item), EXTENSIONS[mime], index, count)
        return mime, written, "" if files.stat(rule.output, relative) else relative


def _commit(draft: Draft, target: TargetName) -> None:
    if not target.adopted:
        draft.commit(target.path.relative.rpartition("/")[2], replaces=target.replaces, overwrite=target.overwrite)


def mirrored(item: Item) -> str:
    """The input path that names an item's outputs; a superseded content is filed beside the new one."""
    return item.path if item.current else marked(item.path, (item.content_hash or "")[:8])


def _may_have(item: Item, path: OutputPath, recorded: Output | None, heir: int | None) -> bool:
    """Whether a path is nobody's on record, or this very input's, or that of the one whose file it has become."""
    return (
        recorded is None
        or recorded.item == heir
        or (recorded.rule, recorded.source, str(recorded.path)) == (item.rule, item.path, str(path))
    )


def _check_target(
    item: Item, rule: Rule, path: OutputPath, content: str, recorded: Output | None, heir: int | None
) -> TargetName | None:
    standing = files.stat(*path)
    if not _may_have(item, path, recorded, heir):
        return None
    if standing is None:
        return TargetName(path)
    found = files.hash_file(*path, standing)
    if found == content:
        return TargetName(path, adopted=True)
    if recorded is not None and found in {recorded.content_hash, *recorded.earlier}:
        return TargetName(path, replaces=standing)
    return TargetName(path, overwrite=True) if rule.overwrite else None
