"""Whether a state is where the work goes on: each of two places that held the same state says what it knows of it.

The old place's mark decides. It is set in one commit, so at every moment one of the two works, and the other refuses.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from runflowd.errors import StoreError
from runflowd.store.connection import stored_value
from runflowd.system.paths import place_named

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.store.connection import Connection
    from runflowd.system.paths import Place

LEFT, ARRIVING = "state-left", "state-arriving"
"""Keys of the marks: of a place that another one has taken over from, and of one that is to take over."""

MARKS = frozenset({LEFT, ARRIVING})


@dataclass(frozen=True, slots=True)
class Mark:
    """The other place, and the number of the move, which both have."""

    place: str
    token: str


class Moved(StoreError):
    """The state was moved to another place, which has gone on since."""

    def __init__(self, place: Place, other: str) -> None:
        super().__init__(
            f"{place}: the state was moved to {other}, and this one is old: what was bought since would be bought "
            f"again. Write `state: {other}` into the configuration. To go back, move that one (`runflowd state copy "
            "--to FILE`), or, if nothing has happened there yet, have this one work again: `runflowd state reopen`. "
            "Nothing is bought."
        )


class Unfinished(StoreError):
    """The state was to be moved to this place, and the old one still works, as far as is known."""

    def __init__(self, place: Place, other: str, finding: str) -> None:
        super().__init__(
            f"{place}: the state was being moved here from {other}, which {finding}. With `state: {other}` work goes "
            "on there; to finish the move call `runflowd state reopen` where both can be reached. Nothing is bought."
        )


def read_mark(connection: Connection, key: str) -> Mark | None:
    """A mark of a place, if it has that."""
    text = stored_value(connection, "", key)
    return Mark(**json.loads(text)) if text else None


def write_mark(connection: Connection, key: str, mark: Mark) -> None:
    """Set a mark; the caller commits."""
    connection.run("save_value", service="", key=key, value=json.dumps(asdict(mark)))


def clear_mark(connection: Connection, key: str) -> None:
    """Remove a mark; the caller commits."""
    connection.run("drop_value", service="", key=key)


def ensure_here(connection: Connection, place: Place, look: Callable[[Place], Connection]) -> bool:
    """Raise `Moved` or `Unfinished` unless the work goes on at this place.

    `look` opens the other place, to read its mark. True: this place has taken over and has not noted it yet.
    """
    left = read_mark(connection, LEFT)
    if left is not None:
        raise Moved(place, left.place)
    arriving = read_mark(connection, ARRIVING)
    if arriving is None:
        return False
    failures: tuple[type[Exception], ...] = (StoreError, *connection.failures)
    try:
        with closing(look(place_named(arriving.place))) as other:
            theirs = read_mark(other, LEFT)
    except failures as error:
        raise Unfinished(place, arriving.place, f"cannot be asked whether it has let go ({error})") from error
    if theirs is None or theirs.token != arriving.token:
        raise Unfinished(place, arriving.place, "has not let go")
    return True
