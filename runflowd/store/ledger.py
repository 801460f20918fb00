"""The books: what every purchase was charged, in rows that are only ever added, and the price of the next one."""

from __future__ import annotations

import os
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from runflowd.core.model import LOCAL
from runflowd.core.money import period_of, price_of

if TYPE_CHECKING:
    from runflowd.core.money import Price, RuleMoney
    from runflowd.store.batches import Batch
    from runflowd.store.connection import Connection
    from runflowd.store.items import Item

LATEST = 20
"""Charges from which the price of the next purchase is taken."""


class Movement(StrEnum):
    """What a row of the books says."""

    CHARGE = "charge"
    REFUND = "refund"
    CORRECTION = "correction"
    PRESUMED = "presumed"
    """Nobody knows what became of a purchase, and it was bought once more: it counts at its high estimate."""


def settle(connection: Connection, batch: Batch, item: Item, cost: Decimal | None, run: str, now: float) -> None:
    """Enter what the service says that a purchase costs, be it a result or a failure.

    A sum that is stated again changes nothing; one that differs is entered as a refund or a correction of what was
    entered before. What this machine does is not paid for.
    """
    if cost is None or batch.service == LOCAL:
        return
    entered = [Decimal(row["amount"]) for row in connection.all("movements", key=item.client_ref, item=item.id)]
    difference = cost - sum(entered, Decimal(0))
    if not difference:
        return
    changed = Movement.REFUND if difference < 0 else Movement.CORRECTION
    _enter(connection, batch, item, changed if entered else Movement.CHARGE, difference, run, now)


def presume(connection: Connection, batch: Batch, item: Item, now: float) -> None:
    """A purchase whose outcome is unknown is left behind for another one: it may have been charged all the same."""
    if item.cost is None and item.estimate_high is not None:
        _enter(connection, batch, item, Movement.PRESUMED, item.estimate_high, item.run_id or "", now)


def _enter(
    connection: Connection, batch: Batch, item: Item, kind: Movement, amount: Decimal, run: str, now: float
) -> None:
    connection.run(
        "insert_movement",
        key=item.client_ref,
        item=item.id,
        kind=kind,
        amount=format(amount.normalize(), "f"),
        at=now,
        period=item.period or period_of(now, None),  # sealed before there were periods
        service=batch.service,
        rule=item.rule,
        dir=os.fsencode(item.path.rpartition("/")[0]),
        model=batch.model,
        run=run,
    )


def expected_price(connection: Connection, money: RuleMoney, service: str, model: str) -> Price | None:
    """What a file of a rule costs, as the rule says or as its model was charged of late; None if nobody knows."""
    if money.price is not None:
        return price_of(money.price, ())
    rows = connection.all("last_charges", service=service, model=model, limit=LATEST)
    return price_of(None, [Decimal(row["amount"]) for row in rows])
