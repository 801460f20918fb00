"""What another host has read: files are the same by size and time, though this host sees other inodes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState

if TYPE_CHECKING:
    from runflowd.core.model import Stat
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.intake.compared import Compared
    from runflowd.pipeline.intake.watched_rule import WatchedRule
    from runflowd.store import Connection
    from runflowd.store.known import Known


async def take_inodes(context: Context, watched: WatchedRule, page: list[Compared]) -> list[Compared]:
    """Put the inodes of this host on record, where a file differs in nothing else; give what differs still."""
    found = [
        (before.id, compared.listing.files[name].inode)
        for compared in page
        for name, before in compared.differences.record.items()
        if _is_same(before, compared.listing.files.get(name))
    ]
    if not found:
        return page
    await context.store.write(watched.held(partial(_save, found=found)))
    return [_without_same(compared) for compared in page]


def _is_same(before: Known, stat: Stat | None) -> bool:
    if stat is None or before.requested or not before.present or before.state is ItemState.WAITING:
        return False
    known = before.stat
    return known != stat and (known.size, known.mtime_ns) == (stat.size, stat.mtime_ns)


def _without_same(compared: Compared) -> Compared:
    record, files = compared.differences.record, compared.listing.files
    left = {name: before for name, before in record.items() if not _is_same(before, files.get(name))}
    return replace(compared, differences=compared.differences._replace(record=left))


def _save(connection: Connection, found: list[tuple[int, int]]) -> None:
    connection.run_many("save_inode", [{"id": number, "inode": inode} for number, inode in found])
