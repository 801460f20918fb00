"""The story of an item: a row for each step, written in the transaction of the step itself.

A story is bounded. When it grows long, what went in circles is left out, the oldest circle first; its
beginning stays, and what is left is still a way along the table of transitions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.core.printable import excerpt, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runflowd.store.connection import Connection

MAX_STEPS = 60
"""Steps kept of one item."""

BEGINNING = 10
"""Steps at the beginning of a story that are never left out."""

MAX_DETAIL_LENGTH = 400

LEFT_OUT = " (what repeated itself after this is left out)"


@dataclass(frozen=True, slots=True)
class Step:
    """Where an item stood after a step at `at` (epoch seconds), with the code of a failure and words for people."""

    at: float
    state: ItemState
    code: str
    detail: str


def record(connection: Connection, item: int, now: float, detail: str = "", code: str = "") -> None:
    """Write down a step that an item has just made, or what happened to it where it stands.

    The state is that of its row. A step equal to the last one is none.
    """
    words = excerpt(detail, MAX_DETAIL_LENGTH)
    if connection.run("record_step", item=item, now=now, code=printable(code), detail=words):
        _thin(connection, item)


def record_try(
    connection: Connection, numbers: Iterable[int], now: float, *, tries: int, error: Exception, wider: str = ""
) -> None:
    """Write down that a try did not work; `wider` is the code of trouble that is not the items' own.

    Of such trouble no words are kept: they differ at every try, and it may last for weeks.
    """
    detail = "held up by trouble that is not its own; tried again by itself" if wider else f"try {tries}: {error}"
    for number in numbers:
        record(connection, number, now, detail, wider)


def items_held(connection: Connection, batch: str) -> list[int]:
    """The items that a batch still has to bring on."""
    return [row["id"] for row in connection.all("items_held", batch=batch)]


def story(connection: Connection, item: int) -> list[Step]:
    """The steps of an item, oldest first."""
    rows = connection.all("steps", item=item)
    return [Step(row["at"], ItemState(row["state"]), row["code"], row["detail"]) for row in rows]


def _thin(connection: Connection, item: int) -> None:
    """Leave the oldest circle out of a story that is too long: from a state to where that state comes again.

    Among as many steps as there are states, and one, some state comes twice.
    """
    if connection.one("step_too_many", item=item, most=MAX_STEPS) is None:
        return
    first_with: dict[str, int] = {}
    for row in connection.all("middle_steps", item=item, beginning=BEGINNING, limit=len(ItemState) + 1):
        if row["state"] in first_with:
            begin = first_with[row["state"]]
            connection.run("leave_out_steps", item=item, begin=begin, end=row["id"])
            connection.run("mark_left_out", id=begin, mark=LEFT_OUT)
            return
        first_with[row["state"]] = row["id"]
