"""The ledger: what every purchase was charged, in rows that are only ever added."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.core.model import LOCAL
from runflowd.core.money import shares
from runflowd.core.periods import period_of
from runflowd.store.connection import stored_value
from runflowd.store.items import items_of_batch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runflowd.store.batches import Batch
    from runflowd.store.connection import Connection, Row
    from runflowd.store.items import Item

PERIOD_KEY = "period"
"""Under which key the latest day on which anything was sealed is on record."""


class Movement(StrEnum):
    """What a row of the ledger says."""

    CHARGE = "charge"
    REFUND = "refund"
    CORRECTION = "correction"
    PRESUMED = "presumed"
    """Nobody knows what became of a purchase, and it was bought once more: it counts at its high estimate."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What the service says that something costs, and in which run it was made.

    `currency` is as it names it (ISO 4217), "" where it names none: then it is that of the item's estimates.
    """

    cost: Decimal
    currency: str = ""
    run: str = ""


def settle(connection: Connection, batch: Batch, item: Item, stated: Stated | None, now: float) -> None:
    """Enter what the service says that a purchase costs, be it a result or a failure; None where it says nothing.

    A sum that is stated again changes nothing; one that differs is entered as a refund or a correction of what was
    entered before. What this machine does is not paid for.
    """
    if stated is None or batch.service == LOCAL:
        return
    currency = stated.currency or item.currency
    rows = connection.all("movements", key=item.client_ref, item=item.id, currency=currency)
    difference = stated.cost - sum((Decimal(row["amount"]) for row in rows), Decimal(0))
    if not difference:
        return
    changed = Movement.REFUND if difference < 0 else Movement.CORRECTION
    _enter(connection, batch, item, changed if rows else Movement.CHARGE, replace(stated, cost=difference), now)


def settle_rest(connection: Connection, batch: Batch, stated: Stated | None, now: float) -> None:
    """Enter what a batch cost beyond what its items are known to have: the others share it, those that failed last.

    So what is lost, or listed without a price, is charged all the same. Raises `LeaseLost`.
    """
    items = items_of_batch(connection, batch.id)
    silent = [item for item in items if item.cost is None]
    if stated is None or batch.service == LOCAL or not silent:
        return
    currency = stated.currency or silent[0].currency
    rest = stated.cost - sum((item.cost for item in items if item.cost is not None), Decimal(0))
    if rest <= 0 or any(item.cost is not None and item.currency != currency for item in items):
        return
    sharing = [item for item in silent if item.state is not ItemState.FAILED] or silent
    for item, share in zip(sharing, shares(rest, len(sharing)), strict=True):
        amount = format(share.normalize(), "f")
        connection.send("set_cost", id=item.id, batch=batch.id, cost=amount, currency=currency)
        settle(connection, batch, item, Stated(share, currency, item.run_id or ""), now)


def presume(connection: Connection, batch: Batch, item: Item, now: float) -> None:
    """A purchase whose outcome is unknown is left behind for another one: it may have been charged all the same."""
    if item.cost is None and item.estimate_high is not None:
        expected = Stated(item.estimate_high, item.currency, item.run_id or "")
        _enter(connection, batch, item, Movement.PRESUMED, expected, now)


def charged_for(connection: Connection, item: int) -> dict[str, Decimal]:
    """What all purchases of an item were charged, by currency."""
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in connection.all("movements_of_item", item=item):
        found[row["currency"]] += Decimal(row["amount"])
    return dict(found)


def summed(rows: Iterable[Row]) -> Decimal:
    """The sum of amounts of which each row has one and how often it came; what has none adds nothing."""
    return sum((Decimal(row["amount"]) * row["count"] for row in rows if row["amount"] is not None), Decimal(0))


def _enter(connection: Connection, batch: Batch, item: Item, kind: Movement, stated: Stated, now: float) -> None:
    account = {"service": batch.service, "model": batch.model, "rule": item.rule}
    connection.send("save_account", **account)
    connection.send(
        "insert_movement",
        **account,
        key=item.client_ref,
        item=item.id,
        kind=kind,
        amount=format(stated.cost.normalize(), "f"),
        currency=stated.currency or item.currency,
        at=now,
        period=_period_of(connection, item, now),
        dir=os.fsencode(item.path.rpartition("/")[0]),
        run=stated.run,
    )
    connection.send("outdate_receipt", id=item.id)


def _period_of(connection: Connection, item: Item, now: float) -> str:
    """The day of a purchase; never one after the day on record, which a clock that was ahead may have made."""
    latest = stored_value(connection, "", PERIOD_KEY)
    period = item.period or period_of(now, None)  # sealed before there were periods
    return min(period, latest) if latest else period
