"""Items that leave a batch because they were not bought in it: dropped, put back, tried in parts, or refused alone."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from runflowd.core.droppings import BAD_OVERRIDE
from runflowd.core.lifecycle import BatchState, ItemState
from runflowd.store.batches import Batch, batch_from, move_batch, rule_text
from runflowd.store.duplicates import promote_duplicate
from runflowd.store.items import Item, items_of_batch
from runflowd.store.moves import move
from runflowd.store.prices import currency_hold
from runflowd.store.purchases import SubmitRequest, purchases_of_batch
from runflowd.store.sealing import new_batch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runflowd.core.money import Money
    from runflowd.store.connection import Connection


def load_unbought(
    connection: Connection, batch: Batch, money: Money, now: float
) -> tuple[list[Item], list[SubmitRequest], str, str]:
    """What of a batch is not bought, its requests, its rule as text, and why it is held for its currency, if it is."""
    items = [item for item in items_of_batch(connection, batch.id) if item.state is ItemState.QUEUED]
    held = currency_hold(connection, money, batch.rule, batch.service, batch.model, now)
    why = held.message if held else ""
    return items, purchases_of_batch(connection, batch.id), rule_text(connection, batch), why


def drop_from_batch(
    connection: Connection, batch: Batch, item: Item, state: ItemState, code: str, reason: str, now: float
) -> None:
    """Take an item out of a batch that was not bought: its file is gone, has changed, or is no good.

    Unless it failed for good, the next look at its folder finds it anew, whatever its stat says then.
    Raises `LeaseLost`.
    """
    move(connection, item.id, ItemState.QUEUED, state, by=batch.claim, code=code, reason=reason, now=now)
    connection.run("leave_batch", id=item.id, batch=batch.id)
    if state is not ItemState.FAILED:
        connection.run("request_rescan", id=item.id)
    promote_duplicate(connection, item.id, now)


def put_back(connection: Connection, batch: Batch, reason: str, now: float) -> None:
    """Nothing of a batch was bought, and nothing is to be as it was sealed: its items are ready for another one.

    Raises `LeaseLost`.
    """
    items = [item for item in items_of_batch(connection, batch.id) if item.state is ItemState.QUEUED]
    set_free(connection, batch, items, now, reason)
    for item in items:
        connection.run("leave_batch", id=item.id, batch=batch.id)
    move_batch(connection, batch, BatchState.REFUSED, code="REWORDED", reason=reason, now=now)


def put_back_for_service(connection: Connection, service: str, owner: str, now: float) -> None:
    """What was sealed for another service, and never sent there, is ready for this one: the address was corrected."""
    for row in connection.all("claim_unsent_elsewhere", service=service, owner=owner):
        put_back(connection, batch_from(row), "the service is another one now", now)


def split_batch(connection: Connection, batch: Batch, items: list[Item], now: float, size: int | None = None) -> None:
    """The service refuses the batch and does not say why: try its first `size` items, or half, and the others apart.

    Raises `LeaseLost`: who took the batch over may have bought it.
    """
    size = len(items) // 2 if size is None else size
    reason = "refused whole; tried in parts"
    set_free(connection, batch, items, now, f"its batch was {reason}")
    move_batch(connection, batch, BatchState.REFUSED, code="SPLIT", reason=reason, now=now)
    for part in (items[:size], items[size:]):
        numbers = [item.id for item in part]
        new_batch(connection, numbers, batch.snapshot, batch.rule, batch.model, batch.service, now)


def set_free(connection: Connection, batch: Batch, items: Iterable[Item], now: float, detail: str) -> None:
    """Make items of a batch that were not bought ready for another one. Raises `LeaseLost`."""
    for item in items:
        move(connection, item.id, ItemState.QUEUED, ItemState.READY, by=batch.claim, now=now, detail=detail)


def take_back(connection: Connection, batch: Batch, item: Item, now: float, detail: str) -> None:
    """Make an item that was refused by itself, and not charged, ready for another batch. Raises `LeaseLost`."""
    move(connection, item.id, item.state, ItemState.READY, by=batch.claim, now=now, detail=detail)
    connection.run("buy_again", id=item.id, client_ref=uuid.uuid4().hex)
    connection.run("drop_answer", item=item.id)


def hold_for_folder(connection: Connection, batch: Batch, item: Item, reason: str, now: float, detail: str) -> None:
    """The same, but it waits for another value in its `_runflow.yaml`. Raises `LeaseLost`."""
    take_back(connection, batch, item, now, detail)
    move(connection, item.id, ItemState.READY, ItemState.WAITING, by=None, now=now, code=BAD_OVERRIDE, reason=reason)
    connection.run("request_rescan", id=item.id)
    promote_duplicate(connection, item.id, now)
