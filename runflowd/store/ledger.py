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
    from collections.abc import Iterable, Sequence

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


def settle(connection: Connection, batch: Batch, stated: Sequence[tuple[Item, Stated]], now: float) -> None:
    """Enter what the service says that purchases cost, be they a result or a failure.

    A sum that is stated again changes nothing; one that differs is entered as a refund or a correction of what was
    entered before. What this machine does is not paid for.
    """
    if batch.service == LOCAL:
        return
    asked = [
        {"key": item.client_ref, "item": item.id, "currency": each.currency or item.currency} for item, each in stated
    ]
    known = connection.all_each("movements", asked)
    moved = [(item, *_difference(each, rows)) for (item, each), rows in zip(stated, known, strict=True)]
    _enter(connection, batch, [each for each in moved if each[2].cost], now)


def _difference(stated: Stated, rows: Sequence[Row]) -> tuple[Movement, Stated]:
    """What is to be entered beside what was entered before."""
    difference = stated.cost - sum((Decimal(row["amount"]) for row in rows), Decimal(0))
    changed = Movement.REFUND if difference < 0 else Movement.CORRECTION
    return changed if rows else Movement.CHARGE, replace(stated, cost=difference)


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
    parts = list(zip(sharing, shares(rest, len(sharing)), strict=True))
    for item, share in parts:
        amount = format(share.normalize(), "f")
        connection.send("set_cost", id=item.id, batch=batch.id, cost=amount, currency=currency)
    settle(connection, batch, [(item, Stated(share, currency, item.run_id or "")) for item, share in parts], now)


def presume(connection: Connection, batch: Batch, item: Item, now: float) -> None:
    """A purchase whose outcome is unknown is left behind for another one: it may have been charged all the same."""
    if item.cost is None and item.estimate_high is not None:
        expected = Stated(item.estimate_high, item.currency, item.run_id or "")
        _enter(connection, batch, [(item, Movement.PRESUMED, expected)], now)


def charged_for(connection: Connection, item: int) -> dict[str, Decimal]:
    """What all purchases of an item were charged, by currency."""
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in connection.all("movements_of_item", item=item):
        found[row["currency"]] += Decimal(row["amount"])
    return dict(found)


def summed(rows: Iterable[Row]) -> Decimal:
    """The sum of amounts of which each row has one and how often it came; what has none adds nothing."""
    return sum((Decimal(row["amount"]) * row["count"] for row in rows if row["amount"] is not None), Decimal(0))


def _enter(connection: Connection, batch: Batch, moved: Sequence[tuple[Item, Movement, Stated]], now: float) -> None:
    if not moved:
        return
    latest = stored_value(connection, "", PERIOD_KEY)
    accounts = [{"service": batch.service, "model": batch.model, "rule": item.rule} for item, _, _ in moved]
    connection.run_many("save_account", list({each["rule"]: each for each in accounts}.values()))
    rows = [
        {
            **account,
            "key": item.client_ref,
            "item": item.id,
            "kind": kind,
            "amount": format(stated.cost.normalize(), "f"),
            "currency": stated.currency or item.currency,
            "at": now,
            "period": _period_of(item, latest, now),
            "dir": os.fsencode(item.path.rpartition("/")[0]),
            "run": stated.run,
        }
        for account, (item, kind, stated) in zip(accounts, moved, strict=True)
    ]
    connection.run_many("insert_movement", rows)
    connection.run_many("outdate_receipt", [{"id": item.id} for item, _, _ in moved])


def _period_of(item: Item, latest: str | None, now: float) -> str:
    """The day of a purchase; never one after the day on record, which a clock that was ahead may have made."""
    period = item.period or period_of(now, None)  # sealed before there were periods
    return min(period, latest) if latest else period
