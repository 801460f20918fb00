"""Receipts: written as outputs are, by a draft and a rename, and recorded before and after.

A crash at any line leaves the older receipt or the new one, each whole; the next try writes the same bytes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from runflowd import files
from runflowd.core.model import OutputPath
from runflowd.core.naming import receipt_names
from runflowd.pipeline.deliver.output_writer import TargetName, mirrored
from runflowd.store.receipts import (
    Drawn,
    draw,
    may_have,
    receipt_at,
    receipt_of,
    receipt_renewed,
    reserve_receipt,
)
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.core.model import Rule
    from runflowd.core.receipt import Ended
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.deliver.output_io import OutputIo
    from runflowd.store import Connection
    from runflowd.store.items import Item
    from runflowd.store.receipts import ExistingReceipt

log = structlog.get_logger()


class ReceiptWriter:
    """Puts receipts in place below a rule's folder for them."""

    def __init__(self, context: Context, output_io: OutputIo) -> None:
        self._context = context
        self._output_io = output_io

    async def renew(self, item: Item, rule: Rule) -> None:
        """Write the receipt of an item that has ended, for which money moved since, and give the item back."""
        drawn, path = await self.write(item, rule)
        now = self._context.clock.wall()
        await self._context.store.write(partial(receipt_renewed, item=item, sha256=drawn.sha256, path=path, now=now))
        log.info("wrote a receipt", action="receipt.written", rule=item.rule, path=item.path, receipt=path.relative)

    async def write(self, item: Item, rule: Rule, ended: Ended | None = None) -> tuple[Drawn, OutputPath]:
        """Write the receipt of an item, which is about to end so; give it and its path. Raises `files.FileError`."""

        def read(connection: Connection) -> tuple[Drawn, ExistingReceipt | None]:
            return draw(connection, item, ended), receipt_of(connection, item)

        drawn, before = await self._context.store.read(read)
        for path in _paths(item, rule, before):
            recorded = await self._context.store.read(partial(receipt_at, item=item, path=path))
            target = await self._output_io.run(rule, _check_target, item, path, drawn.sha256, recorded)
            if target is None:
                continue
            if not await self._context.store.write(partial(reserve_receipt, item=item, path=path, drawn=drawn)):
                continue
            reach("receipt.reserved")
            try:
                await self._output_io.run_held(item, rule, _commit, target, drawn.data)
            except files.InTheWay:
                raise  # no other name helps
            except files.Taken:
                continue
            reach("receipt.written")
            return drawn, path
        raise files.Taken(
            "write", f"{rule.receipts}/{item.path}", what="every name that its receipt could get is taken"
        )


def _commit(target: TargetName, data: bytes) -> None:
    if target.adopted:
        return
    folder, _, name = target.path.relative.rpartition("/")
    with files.Draft(target.path.root, folder, limit=len(data)) as draft:
        draft.write(data)
        draft.commit(name, replaces=target.replaces)


def _paths(item: Item, rule: Rule, before: ExistingReceipt | None) -> Iterator[OutputPath]:
    """Where a receipt may go: where it is, else the names that it could get."""
    if before is not None and before.path is not None and before.path.root == rule.receipts:
        yield before.path
    for name in receipt_names(mirrored(item), rule.name):
        yield OutputPath(rule.receipts, name)


def _check_target(item: Item, path: OutputPath, content: str, recorded: ExistingReceipt | None) -> TargetName | None:
    """Whether a name may be used; None when it belongs to somebody else."""
    files.ensure_root(path.root)
    if not may_have(item, recorded):
        return None
    standing = files.stat(*path)
    if standing is None:
        return TargetName(path)
    found = files.hash_file(*path, standing)
    if found == content:
        return TargetName(path, adopted=True)
    ours = recorded is not None and recorded.path == path and found in recorded.ours
    return TargetName(path, replaces=standing) if ours else None
