"""Receipts on record: the facts of one, where its file stands, and whether that says what the rows say.

A receipt is outdated as soon as money moves for its file, or somebody judges it, in the very transaction of that.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from runflowd.core.model import OutputPath
from runflowd.core.receipt import (
    Bought,
    DeliveredOutput,
    Ended,
    Entry,
    Judged,
    Receipt,
    document,
    outputs_from,
    outputs_text,
)
from runflowd.core.snapshot import from_text, references_from
from runflowd.core.template import FILE_URL
from runflowd.store.claims import hold, run_held
from runflowd.store.history import record
from runflowd.store.items import path_of
from runflowd.store.links import find_assets
from runflowd.store.outputs import collision, outputs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runflowd.store.connection import Connection, Row
    from runflowd.store.items import Item


class ReceiptState(StrEnum):
    """Whether the file of a receipt says what is on record."""

    WRITTEN = "written"
    OUTDATED = "outdated"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A receipt as the rows have it now: its bytes, and what it says was delivered."""

    data: bytes
    outputs: tuple[DeliveredOutput, ...]

    @property
    def sha256(self) -> str:
        """The name of its content."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class ExistingReceipt:
    """Where the receipt of an item is, or is about to be; `ours` are the hashes of what runflowd wrote there.

    `path` is None once a newer content took its name.
    """

    item: int
    path: OutputPath | None
    ours: frozenset[str]
    yields: bool = False
    """Whether it gives way to the receipt that was asked for: that of a newer content of the same file."""


def draw(connection: Connection, item: Item, ended: Ended | None = None) -> Drawn:
    """The receipt of an item; `ended` says how it is about to end, None goes by its row.

    What was delivered is told by the outputs on record as long as the item ends just now; later on, they may be
    another's.
    """
    row = connection.one("receipt_facts", id=item.id)
    assert row is not None, "an item with a receipt was accepted under a rule"
    outputs: tuple[DeliveredOutput, ...] = ()
    if ended is not None:
        known = outputs_of(connection, item.id)
        outputs = tuple(
            DeliveredOutput(each.path.relative, each.size, each.content_hash, each.edited) for each in known
        )
    elif row["state"] == "done":
        existing = connection.one("receipt_of", item=item.id)
        outputs = outputs_from(existing["outputs"]) if existing else ()
    ended = ended or Ended(row["state"], row["failure_code"], row["failure"])
    return Drawn(document(_receipt(connection, row, ended, outputs)), outputs)


def _receipt(connection: Connection, row: Row, ended: Ended, outputs: tuple[DeliveredOutput, ...]) -> Receipt:
    paid = _paid(connection, row)
    entries = connection.all("movements_of_item", item=row["id"])
    times = {"found": "found_at", "ready": "ready_at", "sealed": "sealed_at", "submitted": "submitted_at"}
    return Receipt(
        source=path_of(row),
        size=row["size"],
        content=row["content_hash"],
        mime=row["mime"],
        rule=row["rule"],
        snapshot=row["snapshot"],
        text=row["text"],
        model=row["model"] or from_text(row["text"]).model,
        input=json.loads(row["input"]),
        settings=json.loads(row["settings"]) if row["settings"] else {},
        assets=_assets(connection, row, paid["service"] if paid else ""),
        bought=Bought(paid["service"], paid["remote_id"], paid["run_id"], paid["client_ref"], paid["key"])
        if paid
        else None,
        shares=path_of(paid) if paid and paid["id"] != row["id"] else "",
        settled=row["cost"] is not None,
        entries=tuple(
            Entry(each["kind"], Decimal(each["amount"]), each["currency"], each["at"], each["key"], each["run"])
            for each in entries
        ),
        currency=row["currency"],
        times={name: row[column] for name, column in times.items()},
        ended=ended,
        outputs=outputs,
        judged=_judged(connection, row["id"]),
    )


def _judged(connection: Connection, item: int) -> Judged | None:
    """The verdict in force on the result of an item; one that was undone is not."""
    row = connection.one("last_verdict", item=item)
    if row is None or row["verdict"] == "undo":
        return None
    return Judged(row["verdict"], row["who"], row["at"], row["reason"])


def _paid(connection: Connection, row: Row) -> Row | None:
    """The item whose purchase a result is of: the very one, or where it shares a result, the other; None if unknown."""
    found: Row | None = row
    while found is not None and found["batch"] is None:
        found = None if found["duplicate_of"] is None else connection.one("receipt_facts", id=found["duplicate_of"])
    return found


def _assets(connection: Connection, row: Row, service: str) -> dict[str, str]:
    """The uploads of an input that the service holds, by their symbols."""
    contents = {FILE_URL: (row["content_hash"], row["mime"])}
    for name, reference in references_from(row["text"]).items():
        contents[f"files.{name}.url"] = (reference.content, reference.mime)
    found = find_assets(connection, service, contents.values())
    return {symbol: found[content].asset_id for symbol, content in contents.items() if content in found}


def receipt_of(connection: Connection, item: Item) -> ExistingReceipt | None:
    """Where the receipt of an item is on record."""
    row = connection.one("receipt_of", item=item.id)
    return _existing(row) if row else None


def receipt_at(connection: Connection, item: Item, path: OutputPath) -> ExistingReceipt | None:
    """The receipt on record at a path that `item` would have, or at one that some file system takes for the same."""
    row = connection.one("receipt_at", path=os.fsencode(str(path)), key=collision(str(path)))
    if row is None or row["item"] == item.id:
        return receipt_of(connection, item)
    older = item.current and not row["current"] and (row["rule"], path_of(row)) == (item.rule, item.path)
    return _existing(row, yields=bool(older))


def _existing(row: Row, *, yields: bool = False) -> ExistingReceipt:
    path = None if row["root"] is None else OutputPath(os.fsdecode(row["root"]), os.fsdecode(row["relative"]))
    return ExistingReceipt(row["item"], path, frozenset({row["content_hash"], *row["earlier"].split()}), yields)


def may_have(item: Item, existing: ExistingReceipt | None) -> bool:
    """Whether a path with that receipt on record, or none, may be had by the one of an item."""
    return existing is None or existing.item == item.id or existing.yields


def reserve_receipt(connection: Connection, item: Item, path: OutputPath, drawn: Drawn) -> bool:
    """Say which bytes are about to appear at a path; False where that is another's. Raises `LeaseLost`.

    An older content of the same file gives its name up, and gets another one.
    """
    hold(connection, item.claim)
    existing = receipt_at(connection, item, path)
    if not may_have(item, existing):
        return False
    if existing is not None and existing.item != item.id:
        connection.run("displace_receipt", item=existing.item)
        connection.run("set_receipt_state", id=existing.item, receipt_state=ReceiptState.OUTDATED)
    ours = existing.ours if existing is not None and existing.path == path else frozenset()
    connection.run(
        "reserve_receipt",
        item=item.id,
        root=os.fsencode(path.root),
        relative=os.fsencode(path.relative),
        key=collision(str(path)),
        content_hash=drawn.sha256,
        earlier=" ".join(sorted(ours - {drawn.sha256})),
        outputs=outputs_text(drawn.outputs),
    )
    return True


def receipt_stands(connection: Connection, item: Item, sha256: str, ended: Ended | None = None) -> None:
    """The receipt stands under its name; it is written anew if what it says changed meanwhile. Raises `LeaseLost`."""
    hold(connection, item.claim)
    up_to_date = draw(connection, item, ended).sha256 == sha256
    state = ReceiptState.WRITTEN if up_to_date else ReceiptState.OUTDATED
    connection.run("receipt_written", item=item.id)
    connection.run("set_receipt_state", id=item.id, receipt_state=state)


def moved_along(connection: Connection, item: Item, to: str, placed: Sequence[OutputPath], now: float) -> None:
    """The file of an item was renamed `to` another path, and its results moved along; its story and receipt say so.

    `placed` is where they stand now, by their positions.
    """
    record(connection, item.id, now, f"the file was renamed to {to}, and its result moved along")
    row = connection.one("receipt_of", item=item.id)
    if row is None:
        return
    moved = {each.path.relative: placed[each.position].relative for each in outputs_of(connection, item.id)}
    outputs = [replace(each, moved_to=moved.get(each.path, each.moved_to)) for each in outputs_from(row["outputs"])]
    connection.run("set_receipt_outputs", item=item.id, outputs=outputs_text(outputs))
    connection.run("outdate_receipt", id=item.id)


def receipt_renewed(connection: Connection, item: Item, sha256: str, path: OutputPath, now: float) -> None:
    """The same of an item that was claimed for its receipt alone, which is given back. Raises `LeaseLost`."""
    receipt_stands(connection, item, sha256)
    run_held(connection, "release_receipt", item.claim)
    record(connection, item.id, now, f"its receipt was written: {path}")
