"""The files that somebody means by a path: that of the source, or of the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.chains import is_within
from runflowd.store.items import item_at, item_by_id
from runflowd.store.listing import rules_with_items
from runflowd.store.outputs import output_at
from runflowd.store.verdicts import superseded_to_review

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.control.command_context import CommandContext
    from runflowd.store import Connection
    from runflowd.store.items import Item


def items_at(context: CommandContext, rule: str | None, path: str, absolute: str) -> Iterator[Item]:
    """The items of the file at a path below a watched folder, or at an absolute one, or of the result there."""
    connection = context.connection
    for name in [rule] if rule is not None else rules_with_items(connection):
        yield from _of_file(connection, name, path.removeprefix("./"))
    for each in context.config.rules:
        below = absolute[len(each.watch) + 1 :] if is_within(absolute, each.watch) else ""
        if rule in {None, each.name} and below:
            yield from _of_file(connection, each.name, below)
    output = output_at(connection, absolute) if absolute else None
    item = item_by_id(connection, output.item) if output is not None else None
    if item is not None and rule in {None, item.rule}:
        yield item


def _of_file(connection: Connection, rule: str, path: str) -> Iterator[Item]:
    """The item of a file, and those before it whose results wait still."""
    if item := item_at(connection, rule, path):
        yield item
    yield from superseded_to_review(connection, rule, path)
