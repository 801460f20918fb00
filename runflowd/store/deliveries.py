"""An item that was claimed, to be delivered or noted: what is written when that is done, or is to be tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.core.naming import failure_note
from runflowd.core.outputs import PARTIAL_RESULT
from runflowd.store.claims import run_held
from runflowd.store.history import record
from runflowd.store.items import Item, NoteState, item_at, move

if TYPE_CHECKING:
    from runflowd.store.connection import Connection


def finish(connection: Connection, item: Item, now: float, detail: str, remark: str = "") -> None:
    """A claimed item is delivered, and nothing is kept of the answer. Raises `LeaseLost`.

    A note stands only where a `remark` says what is missing of the result.
    """
    run_held(connection, "drop_output", item.claim, note_state=NoteState.WRITTEN if remark else NoteState.NONE)
    words = {"code": PARTIAL_RESULT if remark else "", "reason": remark, "detail": detail}
    move(connection, item.id, ItemState.DOWNLOADING, ItemState.DONE, by=item.claim, now=now, **words)


def release_item(
    connection: Connection, item: Item, *, due_at: float, attempts: int, code: str = "", reason: str = ""
) -> None:
    """Give a claimed item back, to be tried again at `due_at` (epoch seconds). Raises `LeaseLost`."""
    values = {"due_at": due_at, "attempts": attempts, "failure_code": code, "failure": reason}
    run_held(connection, "release_item", item.claim, **values)


def note_written(connection: Connection, item: Item, now: float) -> bool:
    """A note stands beside an item that was claimed for it; False when nobody needs it any more.

    Another trouble with the same file may have come up meanwhile, or another process may have noted it: then
    the note is to be written anew.
    """
    if connection.run("note_stands", **item.claim.values):
        record(connection, item.id, now, f"noted in the output folder: {failure_note(item.path)}")
        return True
    standing = item_at(connection, item.rule, item.path)
    if standing is None or standing.state not in {ItemState.FAILED, ItemState.OUTCOME_UNKNOWN, ItemState.WAITING}:
        return False
    connection.run("note_outdated", id=standing.id)
    return True
