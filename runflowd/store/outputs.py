"""Files in output folders that runflowd wrote, or is about to: the row comes before the rename."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runflowd.core.model import OutputPath
from runflowd.core.naming import collision_key
from runflowd.core.printable import printable
from runflowd.core.review import Place
from runflowd.store.claims import Claim, hold
from runflowd.store.items import path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from runflowd.store.connection import Connection, Row
    from runflowd.store.items import Item


@dataclass(frozen=True, slots=True)
class Output:
    """A file that runflowd wrote or is about to write; `source` is the input path it belongs to.

    `earlier` are the hashes of what runflowd wrote there before, which still stands while not `written`. `edited` says
    that somebody had changed it when a verdict was to move it: it is theirs since.
    """

    path: OutputPath
    item: int
    position: int
    content_hash: str
    size: int
    written: bool
    earlier: tuple[str, ...] = ()
    rule: str = ""
    source: str = ""
    place: Place = Place.OUTPUT
    edited: bool = False


def _output(row: Row) -> Output:
    return Output(
        OutputPath(os.fsdecode(row["root"]), os.fsdecode(row["relative"])),
        row["item"],
        row["position"],
        row["content_hash"],
        row["size"],
        row["written_at"] is not None,
        tuple(row["earlier"].split()),
        place=Place(row["place"]),
        edited=bool(row["edited"]),
    )


def output_at(connection: Connection, path: str) -> Output | None:
    """The output recorded at an absolute path, or at one that differs only in case or Unicode form.

    Its `source` and `rule` say which input it belongs to.
    """
    return outputs_at(connection, [path])[0]


def outputs_at(connection: Connection, paths: Sequence[str]) -> list[Output | None]:
    """The same for several paths."""
    asked = [{"path": os.fsencode(path), "key": collision(path)} for path in paths]
    return [
        replace(_output(rows[0]), rule=rows[0]["rule"], source=path_of(rows[0])) if rows else None
        for rows in connection.all_each("output_at", asked)
    ]


def outputs_of(connection: Connection, item: int) -> list[Output]:
    """The outputs of an item in their order."""
    return [_output(row) for row in connection.all("outputs_of", item=item)]


def outputs_of_items(connection: Connection, items: Sequence[int]) -> dict[int, list[Output]]:
    """The outputs of several items, by item."""
    found: dict[int, list[Output]] = {item: [] for item in items}
    for row in connection.all("outputs_of_items", items=json.dumps(items)) if items else ():
        found[row["item"]].append(_output(row))
    return found


@dataclass(frozen=True, slots=True)
class Reservation:
    """The bytes of a result that are about to appear at a path; `fits` says whether it may have that of an output."""

    item: Item
    path: OutputPath
    position: int
    content: str
    size: int
    place: Place = Place.OUTPUT
    fits: Callable[[Output | None], bool] = lambda _: True

    @property
    def values(self) -> dict[str, Any]:
        """The row that says so."""
        return {
            "root": os.fsencode(self.path.root),
            "relative": os.fsencode(self.path.relative),
            "key": collision(str(self.path)),
            "item": self.item.id,
            "position": self.position,
            "content_hash": self.content,
            "size": self.size,
            "place": self.place,
        }


def reserve_outputs(connection: Connection, wanted: Sequence[Reservation]) -> list[bool]:
    """Say which bytes are about to appear where, so that a crash before or after the rename is recognised.

    Gives for each whether it may. An older item of the same input gives its name up. Raises `LeaseLost`: only who holds
    an item gives its results a name.
    """
    if len({collision(str(each.path)) for each in wanted}) < len(wanted):  # the first of equal names is on record then
        return [reserve_outputs(connection, [each])[0] for each in wanted]
    hold(connection, *(each.item.claim for each in wanted))
    known = outputs_at(connection, [str(each.path) for each in wanted])
    granted = [each.fits(before) for each, before in zip(wanted, known, strict=True)]
    taken = [(each, before) for each, before, may in zip(wanted, known, granted, strict=True) if may]
    again = [each.values for each, before in taken if before is not None]
    found = connection.run_each("reserve_output_again", again)
    new = [row for row, count in zip(again, found, strict=True) if not count]
    connection.run_many("reserve_output", [*new, *(each.values for each, before in taken if before is None)])
    for each, before in taken:
        if before is not None and before.item != each.item.id:
            connection.run("nothing_to_judge", id=before.item)
    return granted


def outputs_written(connection: Connection, placed: Sequence[tuple[Item, Iterable[OutputPath]]], now: float) -> None:
    """The files stand under their final names, unless newer items took those meanwhile. Raises `LeaseLost`."""
    hold(connection, *(item.claim for item, _ in placed))
    rows = [{**_place(path), "item": item.id, "now": now} for item, paths in placed for path in paths]
    connection.run_many("output_written", rows)


def leave_edited(connection: Connection, item: Item, path: OutputPath) -> None:
    """Somebody changed an output since it was written, so it stays where it is, and is theirs. Raises `LeaseLost`."""
    hold(connection, item.claim)
    connection.run("leave_edited", **_place(path), item=item.id)


def forget_output(connection: Connection, path: OutputPath, *, by: Claim | None) -> None:
    """The file is not ours any more, or not there. Raises `LeaseLost`.

    `by` is the claim of the item that is being delivered, None where none is.
    """
    if by is not None:
        hold(connection, by)
    for row in connection.all("forget_output", **_place(path)):
        connection.run("nothing_to_judge", id=row["item"])


def _place(path: OutputPath) -> dict[str, bytes]:
    """What a row is found by: the key leads to it, the path says which of those under the key."""
    return {"key": collision(str(path)), "path": os.fsencode(str(path))}


def collision(path: str) -> bytes:
    """Under which key a path is kept: equal for those that some file system cannot tell apart, the half of a sha256."""
    return hashlib.sha256(printable(collision_key(path)).encode()).digest()[:16]
