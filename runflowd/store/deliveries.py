"""What is written of a delivery: that an item is done, noted or to be tried again, and how its recipe fares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.core.naming import failure_note
from runflowd.core.outputs import PARTIAL_RESULT
from runflowd.core.undeliverable import after_doubt, after_failure, after_success, holds, stops
from runflowd.store.claims import run_held
from runflowd.store.connection import stored_value
from runflowd.store.duplicates import release_duplicates
from runflowd.store.history import fold, record
from runflowd.store.items import Item, NoteState, item_at
from runflowd.store.moves import move_all
from runflowd.store.outputs import outputs_written
from runflowd.store.pauses import end_holds
from runflowd.store.verdicts import settle_review

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from runflowd.core.model import OutputPath
    from runflowd.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Delivered:
    """A claimed item with all of its result in place: where, as a step of its story says it.

    A note stands only where a `remark` says what is missing of the result.
    """

    item: Item
    placed: Sequence[OutputPath] = ()
    detail: str = ""
    remark: str = ""


def finish(connection: Connection, delivered: Sequence[Delivered], now: float) -> None:
    """Claimed items are delivered, and nothing is kept of the answers. Raises `LeaseLost`."""
    for remark in dict.fromkeys(each.remark for each in delivered):
        alike = [each for each in delivered if each.remark == remark]
        _move(connection, alike, now, PARTIAL_RESULT if remark else "", remark)
    connection.run_many("drop_answer", [{"item": each.item.id} for each in delivered])
    for each in delivered:
        settle_review(connection, each.item, now)
    fold(connection, [each.item.id for each in delivered])


def _move(connection: Connection, delivered: Sequence[Delivered], now: float, code: str, reason: str) -> None:
    claims = [each.item.claim for each in delivered]
    details, own = {each.item.id: each.detail for each in delivered}, {each.item.id: _own(each) for each in delivered}
    move_all(
        connection,
        details,
        ItemState.DOWNLOADING,
        ItemState.DONE,
        by=claims,
        now=now,
        code=code,
        reason=reason,
        statement="move_delivered_item",
        own=own,
    )


def _own(delivered: Delivered) -> dict[str, Any]:
    note_state = NoteState.WRITTEN if delivered.remark else NoteState.NONE
    return {**delivered.item.claim.values, "note_state": note_state, "review": delivered.item.review}


def results_stand(connection: Connection, delivered: Sequence[Delivered], now: float) -> None:
    """The results are there: their duplicates may take them, however long the sources cannot be disposed of."""
    outputs_written(connection, [(each.item, each.placed) for each in delivered], now)
    release_duplicates(connection, [each.item.id for each in delivered], now)


def bring_back(connection: Connection, number: int, now: float) -> bool:
    """A done item whose result went elsewhere meanwhile is to have one again, at no cost; False where it has one."""
    if not connection.run("bring_back", id=number):
        return False
    record(connection, number, now, "its result, which moved along with a rename, is brought back")
    return True


def release_item(
    connection: Connection, item: Item, *, due_at: float, attempts: int, code: str = "", reason: str = ""
) -> None:
    """Give a claimed item back, to be tried again at `due_at` (epoch seconds). Raises `LeaseLost`."""
    values = {"due_at": due_at, "attempts": attempts, "failure_code": code, "failure": reason}
    run_held(connection, "release_item", item.claim, **values)


def still_to_deliver(connection: Connection, numbers: Iterable[int]) -> set[int]:
    """The items of these that have a result to be delivered, or to be moved for a verdict."""
    return {number for number in numbers if connection.one("still_to_deliver", id=number)}


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


def results_key(recipe: str) -> str:
    """Under which key that is remembered of a recipe at a service."""
    return f"results:{recipe}"


def resumed_key(rule: str) -> str:
    """Under which key it is stored when a person let a rule go on in spite of its results."""
    return f"resumed:{rule}"


def note_delivered(connection: Connection, service: str, recipe: str) -> list[str]:
    """A result was delivered; give the rules that go on for it. Written only when it is news: every file tells it."""
    key, value = results_key(recipe), after_success()
    if stored_value(connection, service, key) != value:
        connection.run("save_value", service=service, key=key, value=value)
    return end_holds(connection, recipe)


def note_undeliverable(connection: Connection, service: str, recipe: str, item: int) -> bool:
    """A result that is paid for cannot be delivered; give whether no more are to be bought by this recipe."""
    value = after_failure(stored_value(connection, service, results_key(recipe)) or "", item)
    connection.run("save_value", service=service, key=results_key(recipe), value=value)
    return stops(value) and not _is_resumed(connection, item)


def note_doubt(connection: Connection, service: str, recipe: str, item: int) -> bool:
    """A result that is paid for may come or not; give whether no more are to be bought before that is known."""
    before = stored_value(connection, service, results_key(recipe)) or ""
    value = after_doubt(before, item)
    if value != before:
        connection.run("save_value", service=service, key=results_key(recipe), value=value)
    return holds(value) and not _is_resumed(connection, item)


def note_resumed(connection: Connection, rule: str, now: float) -> None:
    """A person lets a rule go on: what was bought until now neither holds nor stops it again."""
    connection.run("save_value", service="", key=resumed_key(rule), value=str(now))


def _is_resumed(connection: Connection, item: int) -> bool:
    return connection.one("bought_before_resume", id=item) is not None
