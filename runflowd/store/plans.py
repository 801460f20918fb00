"""What a plan asks of the state file, which it never changes; what it foresees is kept beside it while it lasts."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from runflowd.core.printable import printable
from runflowd.store.opening import is_there, open_reader
from runflowd.store.schema import in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.store.arrivals import Arrival
    from runflowd.store.connection import Connection
    from runflowd.system.paths import Place


@contextmanager
def open_for_plan(place: Place) -> Iterator[Connection]:
    """The state file, read-only, or an empty one in memory where there is none yet; then everything is new.

    Raises `StoreError` for a state file that this program cannot read.
    """
    connection = open_reader(place) if is_there(place) else in_memory()
    with closing(connection.raw):
        connection.run("begin_plan")
        yield connection


def plan_purchase(connection: Connection, arrival: Arrival) -> str | None:
    """Note that a file would be bought; the path of the one for which the same is planned already, else None."""
    names = {"rule": arrival.rule, "content_hash": arrival.content_hash, "recipe_hash": arrival.recipe_hash}
    if connection.run("plan_purchase", path=printable(arrival.path), **names):
        return None
    row = connection.one("planned_purchase", **names)
    return str(row["path"]) if row else None
