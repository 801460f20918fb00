"""Files in output folders that runflowd wrote, or is about to: the row comes before the rename."""

from __future__ import annotations

import hashlib
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
    row = connection.one("output_at", path=os.fsencode(path), key=collision(path))
    if row is None:
        return None
    return replace(_output(row), rule=row["rule"], source=path_of(row))


def outputs_of(connection: Connection, item: int) -> list[Output]:
    """The outputs of an item in their order."""
    return [_output(row) for row in connection.all("outputs_of", item=item)]


def reserve_output(
    connection: Connection,
    item: Item,
    path: OutputPath,
    position: int,
    content: str,
    size: int,
    place: Place = Place.OUTPUT,
) -> None:
    """Say which bytes are about to appear at a path, so that a crash before or after the rename is recognised.

    An older item of the same input gives its name up. Raises `LeaseLost`: only who holds an item gives its results a
    name.
    """
    hold(connection, item.claim)
    before = output_at(connection, str(path))
    values = {
        "root": os.fsencode(path.root),
        "relative": os.fsencode(path.relative),
        "key": collision(str(path)),
        "item": item.id,
        "position": position,
        "content_hash": content,
        "size": size,
        "place": place,
    }
    if not connection.run("reserve_output_again", **values):
        connection.send("reserve_output", **values)
    if before is not None and before.item != item.id:
        connection.run("nothing_to_judge", id=before.item)


def output_written(connection: Connection, item: Item, path: OutputPath, now: float) -> None:
    """The file stands under its final name, unless a newer item took that name meanwhile. Raises `LeaseLost`."""
    hold(connection, item.claim)
    connection.send("output_written", **_place(path), item=item.id, now=now)


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
