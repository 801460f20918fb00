"""Files on their way out of the store: gone before they were sent or after, or taken no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.store.duplicates import promote_duplicate
from runflowd.store.history import record
from runflowd.store.moves import move

if TYPE_CHECKING:
    from runflowd.store.connection import Connection
    from runflowd.store.items import Item
    from runflowd.store.known import Known


def forget_absent(connection: Connection, known: Known, now: float) -> None:
    """The file is gone: unbought rows are dropped, bought ones remembered as absent."""
    if known.state in {ItemState.READY, ItemState.DUPLICATE}:
        promote_duplicate(connection, known.id, now)
        reason = "deleted before it was sent"
        move(connection, known.id, known.state, ItemState.SKIPPED, by=None, now=now, code="GONE", reason=reason)
    if not connection.run("delete_unbought", id=known.id):
        connection.run("mark_absent", id=known.id, now=now)
        record(connection, known.id, now, "the file is not in the watched folder any more")


def drop_unsent(connection: Connection, item: Item, now: float) -> None:
    """The rule takes this file no more, and it was not sent: found anew if the rule takes it again."""
    promote_duplicate(connection, item.id, now)
    reason = "left out since the rule was edited"
    move(connection, item.id, item.state, ItemState.SKIPPED, by=None, now=now, code="EXCLUDED", reason=reason)
    if not connection.run("delete_unbought", id=item.id):
        connection.run("request_rescan", id=item.id)
