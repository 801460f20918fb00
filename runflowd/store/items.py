"""Rows of items: what is known of each file content, and the moves between states."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.core.model import Json, Stat
from runflowd.core.outputs import PARTIAL_RESULT
from runflowd.core.own_settings import NO_SETTINGS, OwnSettings, settings_from
from runflowd.core.review import Review
from runflowd.store.claims import Claim, Claimable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runflowd.store.connection import Connection, Row


class NoteState(StrEnum):
    """The note about a failure, beside where the result would be."""

    NONE = "none"
    WRITTEN = "written"
    OUTDATED = "outdated"


class SourceState(StrEnum):
    """How the file of an item stands with its rule."""

    KEPT = "kept"
    NEEDED = "needed"
    """A result of it that counts is not in its place: no other rule may let go of the file."""
    RELEASED = "released"
    """Its rule is done with it, and it waits for others."""
    DISPOSED = "disposed"
    """A rule over its folder let go of it, or is about to: the file went by no hand of a person."""


@dataclass(frozen=True, slots=True)
class Item:
    """One file content under one recipe."""

    id: int
    rule: str
    path: str
    current: bool
    present: bool
    note_state: NoteState
    rescan_requested: bool
    rerun_requested: bool
    stat: Stat
    state: ItemState
    content_hash: str | None
    recipe_hash: str | None
    mime: str
    input: Json
    snapshot: str | None
    batch: str | None
    position: int | None
    client_ref: str
    run_id: str | None
    duplicate_of: int | None
    output: Json
    cost: Decimal | None
    hosted: Decimal | None
    estimate_high: Decimal | None
    currency: str
    period: str | None
    failure_code: str
    failure: str
    attempts: int
    resent: int
    due_at: float
    ended_at: float | None
    owner: str | None
    generation: int
    review: Review
    source_state: SourceState
    own: OwnSettings = NO_SETTINGS
    rerun_settings: OwnSettings = NO_SETTINGS

    @property
    def claim(self) -> Claim:
        """The right to write about it; only one that was claimed, to be delivered or noted, has any."""
        return Claim(Claimable.ITEM, self.id, self.owner, self.generation)

    @property
    def requested(self) -> bool:
        """Whether its file is to be read whatever its stat says."""
        return self.rescan_requested or self.rerun_requested

    @property
    def next_settings(self) -> OwnSettings:
        """The settings of its own that its file is made with when it is read the next time."""
        return self.rerun_settings if self.rerun_requested else self.own

    @property
    def remark(self) -> str:
        """What is missing of a result that came in part; "" for a whole one."""
        return self.failure if self.failure_code == PARTIAL_RESULT else ""


def split(path: str) -> dict[str, bytes]:
    """A relative path as the two columns that hold it."""
    folder, _, name = path.rpartition("/")
    return {"dir": os.fsencode(folder), "basename": os.fsencode(name)}


def path_of(row: Row | Mapping[str, Any]) -> str:
    """The relative path that a row's two columns hold."""
    folder, name = os.fsdecode(row["dir"]), os.fsdecode(row["basename"])
    return f"{folder}/{name}" if folder else name


def item_from(found: Row) -> Item:
    """A whole row of `full_item` as a value."""
    # sqlite3 looks a name up among all columns from the first on, which for so many takes longer than all else here.
    row = dict(zip(found.keys(), found, strict=True))
    return Item(
        id=row["id"],
        rule=row["rule"],
        path=path_of(row),
        current=bool(row["current"]),
        present=row["absent_at"] is None,
        note_state=NoteState(row["note_state"]),
        rescan_requested=bool(row["rescan_requested"]),
        rerun_requested=bool(row["rerun_requested"]),
        stat=Stat(row["size"], row["mtime_ns"], row["inode"]),
        state=ItemState(row["state"]),
        content_hash=row["content_hash"],
        recipe_hash=row["recipe_hash"],
        mime=row["mime"],
        input=json.loads(row["input"]) if row["input"] else None,
        snapshot=row["snapshot"],
        batch=row["batch"],
        position=row["position"],
        client_ref=row["client_ref"],
        run_id=row["run_id"],
        duplicate_of=row["duplicate_of"],
        output=json.loads(row["output"]) if row["output"] else None,
        cost=Decimal(row["cost"]) if row["cost"] else None,
        hosted=Decimal(row["hosted"]) if row["hosted"] else None,
        estimate_high=Decimal(row["estimate_high"]) if row["estimate_high"] else None,
        currency=row["currency"],
        period=row["period"],
        failure_code=row["failure_code"],
        failure=row["failure"],
        attempts=row["attempts"],
        resent=row["resent"],
        due_at=row["due_at"],
        ended_at=row["ended_at"],
        owner=row["owner"],
        generation=row["generation"],
        review=Review(row["review"]),
        source_state=SourceState(row["source_state"]),
        own=settings_from(row["settings"], row["settings_of"]),
        rerun_settings=settings_from(row["rerun_settings"], row["content_hash"]),
    )


def item_at(connection: Connection, rule: str, path: str) -> Item | None:
    """The current item of a path."""
    row = connection.one("item_at", rule=rule, **split(path))
    return item_from(row) if row else None


def item_by_id(connection: Connection, number: int) -> Item | None:
    """The item with that id, superseded or not."""
    row = connection.one("item_by_id", id=number)
    return item_from(row) if row else None


def claim_items(connection: Connection, statement: str, /, **values: Any) -> list[Item]:
    """Take items by a statement that claims some and gives their ids."""
    numbers = [row["id"] for row in connection.all(statement, **values)]
    rows = connection.all("items_by_id", ids=json.dumps(numbers)) if numbers else ()
    found = {row["id"]: item_from(row) for row in rows}
    return [found[number] for number in numbers]


def holders_of(connection: Connection, item: Item) -> list[Item]:
    """A few other done items of the same content and recipe that have results: other files."""
    return [item_from(row) for row in connection.all("holders_of", id=item.id, **item.stat._asdict())]


def holders_of_file(connection: Connection, item: Item) -> list[Item]:
    """Done items of the same content and recipe that have results, whose file this may be under another name."""
    return [item_from(row) for row in connection.all("holders_of_file", id=item.id, **item.stat._asdict())]


def items_of_batch(connection: Connection, batch: str) -> list[Item]:
    """The items of a batch in the order in which they were sealed."""
    return [item_from(row) for row in connection.all("items_of_batch", batch=batch)]


def set_source_state(connection: Connection, item: Item, state: SourceState) -> None:
    """How the file of an item stands with its rule from now on."""
    connection.run("set_source_state", id=item.id, source_state=state)


def in_flight(connection: Connection) -> int:
    """How many items will change without anyone's help."""
    return int(connection.all("count_in_flight")[0]["count"])
