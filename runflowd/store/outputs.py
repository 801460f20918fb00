"""Files in output folders that runflowd wrote, or is about to: the row comes before the rename."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from runflowd.core.naming import collision_key
from runflowd.core.printable import printable
from runflowd.store.claims import Claim, hold
from runflowd.store.items import path_of

if TYPE_CHECKING:
    from runflowd.store.connection import Connection, Row
    from runflowd.store.items import Item


@dataclass(frozen=True, slots=True)
class Output:
    """A file that runflowd wrote or is about to write; `source` is the input path it belongs to.

    `earlier` are the hashes of what runflowd wrote there before, which still stands while not `written`.
    `root` is the output folder of the rule that it was made under, "" where that was not asked for.
    """

    path: str
    item: int
    position: int
    content_hash: str
    size: int
    written: bool
    earlier: tuple[str, ...] = ()
    rule: str = ""
    source: str = ""
    root: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """The output folder and the path below it: no link between the two is followed.

        An output that lies elsewhere has no path below it, and so is not there for who looks.
        """
        below = self.path.removeprefix(f"{self.root}/")
        return self.root, "" if below == self.path else below


def _output(row: Row) -> Output:
    return Output(
        os.fsdecode(row["path"]),
        row["item"],
        row["position"],
        row["content_hash"],
        row["size"],
        row["written_at"] is not None,
        tuple(row["earlier"].split()),
    )


def output_at(connection: Connection, path: str) -> Output | None:
    """The output recorded at an absolute path, or at one that differs only in case or Unicode form.

    Its `source` and `rule` say which input it belongs to.
    """
    row = connection.one("output_at", path=os.fsencode(path), key=_key(path))
    if row is None:
        return None
    return replace(_output(row), rule=row["rule"], source=path_of(row))


def outputs_of(connection: Connection, item: int) -> list[Output]:
    """The outputs of an item in their order."""
    rows = connection.all("outputs_of", item=item)
    return [replace(_output(row), root=_root(row["rule_text"] or "{}")) for row in rows]


@lru_cache(maxsize=64)
def _root(rule: str) -> str:
    """The output folder of a rule as text."""
    return str(json.loads(rule).get("output", ""))


def reserve_output(connection: Connection, item: Item, path: str, position: int, content: str, size: int) -> None:
    """Say which bytes are about to appear at a path, so that a crash before or after the rename is recognised.

    Raises `LeaseLost`: only who holds an item gives its results a name.
    """
    hold(connection, item.claim)
    connection.run(
        "reserve_output",
        path=os.fsencode(path),
        key=_key(path),
        item=item.id,
        position=position,
        content_hash=content,
        size=size,
    )


def output_written(connection: Connection, item: Item, path: str, now: float) -> None:
    """The file stands under its final name, unless a newer item took that name meanwhile. Raises `LeaseLost`."""
    hold(connection, item.claim)
    connection.run("output_written", path=os.fsencode(path), item=item.id, now=now)


def forget_output(connection: Connection, path: str, *, by: Claim | None) -> None:
    """The file is not ours any more, or not there. Raises `LeaseLost`.

    `by` is the claim of the item that is being delivered, None where none is.
    """
    if by is not None:
        hold(connection, by)
    connection.run("forget_output", path=os.fsencode(path))


def _key(path: str) -> str:
    return printable(collision_key(path))
