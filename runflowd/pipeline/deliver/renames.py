"""A source that was renamed: its result moves along. What the disk says of both names. Blocking, all but one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd import files
from runflowd.core.model import AfterKind
from runflowd.core.naming import collision_key
from runflowd.store.items import SourceState

if TYPE_CHECKING:
    from runflowd.core.model import OutputPath, Rule
    from runflowd.store.items import Item
    from runflowd.store.outputs import Output


def may_be_renamed(item: Item, original: Item, rule: Rule) -> bool:
    """Whether the file of `original` may have become that of `item`: a rename keeps size, time and inode.

    A rule that disposes of its sources removes the first of two names of one file itself.
    """
    by_itself = rule.after.kind is not AfterKind.KEEP and original.source_state is SourceState.DISPOSED
    return not by_itself and original.path != item.path and original.stat == item.stat


def is_gone(rule: Rule, one: Item, other: Item) -> bool:
    """Whether the file of `one` is not there. Where a disk takes both names for one, the last scan says so."""
    if files.root_identity(rule.watch) is None:
        return False
    alike = collision_key(one.path) == collision_key(other.path)
    return files.stat(rule.watch, one.path) is None or (alike and not one.present)


def remove_result(output: Output, placed: list[OutputPath]) -> None:
    """Clear an old place, unless the disk takes it for one of the new ones: then that gets its new spelling."""
    root, old = output.path
    alike = [new for into, new in placed if root == into and collision_key(new) == collision_key(old)]
    if any(files.respell(root, old, new) for new in alike):
        return
    files.remove_written(root, old, output.content_hash)
