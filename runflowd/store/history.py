"""The story of an item: a row for each step, written in the transaction of the step itself.

A story is bounded. When it grows long, what went in circles is left out, the oldest circle first; its
beginning stays, and what is left is still a way along the table of transitions. With the first result of an item its
beginning is packed into one row.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.core.printable import excerpt, printable
from runflowd.store.packed_story import Step, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runflowd.store.connection import Connection, Row

MAX_STEPS = 60
"""Steps kept of one item."""

BEGINNING = 10
"""Steps at the beginning of a story that are never left out."""

MAX_DETAIL_LENGTH = 400

LEFT_OUT = " (what repeated itself after this is left out)"


def record(connection: Connection, item: int, now: float, detail: str = "", code: str = "") -> None:
    """Write down a step that an item has just made, or what happened to it where it stands.

    The state is that of its row. A step equal to the last one is none.
    """
    record_all(connection, {item: detail}, now, code)


def record_all(connection: Connection, details: Mapping[int, str], now: float, code: str = "") -> None:
    """The same for several items at once, each with its detail."""
    steps = [
        {"item": item, "now": now, "code": printable(code), "detail": excerpt(detail, MAX_DETAIL_LENGTH)}
        for item, detail in details.items()
    ]
    connection.run_many("record_step", steps)
    for row in connection.all("stories_to_bound", items=json.dumps(list(details)), steps=MAX_STEPS) if details else ():
        _bound(connection, row["item"])


def fold(connection: Connection, items: Sequence[int]) -> None:
    """Pack the steps of items that are done into one row each, the first time that they are, unless they are many."""
    stories: defaultdict[int, list[Step]] = defaultdict(list)
    for row in connection.all("steps_to_pack", items=json.dumps(items)):
        stories[row["item"]].append(_step(row))
    short = {item: steps for item, steps in stories.items() if len(steps) <= BEGINNING}
    connection.run_many("pack_steps", [{"item": item, "steps": pack(steps)} for item, steps in short.items()])
    connection.run_many("drop_steps_of", [{"item": item} for item in short])


def record_try(
    connection: Connection, numbers: Iterable[int], now: float, *, tries: int, error: Exception, wider: str = ""
) -> None:
    """Write down that a try did not work; `wider` is the code of trouble that is not the items' own.

    Of such trouble no words are kept: they differ at every try, and it may last for weeks.
    """
    detail = "held up by trouble that is not its own; tried again by itself" if wider else f"try {tries}: {error}"
    record_all(connection, dict.fromkeys(numbers, detail), now, wider)


def items_held(connection: Connection, batch: str) -> list[int]:
    """The items that a batch still has to bring on."""
    return [row["id"] for row in connection.all("items_held", batch=batch)]


def story(connection: Connection, item: int) -> list[Step]:
    """The steps of an item, oldest first."""
    packed = connection.one("packed_steps", item=item)
    return [*(unpack(packed["steps"]) if packed else ()), *_rows(connection, item)]


def _rows(connection: Connection, item: int) -> list[Step]:
    return [_step(row) for row in connection.all("steps", item=item)]


def _step(row: Row) -> Step:
    return Step(row["at"], ItemState(row["state"]), row["code"], row["detail"])


def _bound(connection: Connection, item: int) -> None:
    """Take the last step back if what is packed ends with the same, and leave a circle out of a story that is long."""
    row = connection.one("step_count", item=item)
    assert row is not None, "an aggregate has a row"
    early = unpack(row["steps"]) if row["steps"] else []
    if early and row["count"] == 1:
        (step,) = _rows(connection, item)
        if (step.state, step.code, step.detail) == (early[-1].state, early[-1].code, early[-1].detail):
            connection.run("drop_steps_of", item=item)
    elif row["count"] + len(early) > MAX_STEPS:
        _thin(connection, item, max(0, BEGINNING - len(early)))


def _thin(connection: Connection, item: int, beginning: int) -> None:
    """Leave out the oldest circle after the `beginning`: from a state to where that state comes again.

    Among as many steps as there are states, and one, some state comes twice.
    """
    first_with: dict[str, int] = {}
    for row in connection.all("middle_steps", item=item, beginning=beginning, limit=len(ItemState) + 1):
        if row["state"] in first_with:
            begin = first_with[row["state"]]
            connection.run("leave_out_steps", item=item, begin=begin, end=row["id"])
            connection.run("mark_left_out", id=begin, mark=LEFT_OUT)
            return
        first_with[row["state"]] = row["id"]
