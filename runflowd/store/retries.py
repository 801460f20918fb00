"""Asking for another try: what that means for a failed item, and for one whose outcome is unknown."""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import BOUGHT, IN_FLIGHT, ItemState
from runflowd.store.batches import batch_from
from runflowd.store.history import record
from runflowd.store.items import item_by_id
from runflowd.store.ledger import presume
from runflowd.store.listing import Wanted, every
from runflowd.store.moves import move

if TYPE_CHECKING:
    from runflowd.store.connection import Connection
    from runflowd.store.items import Item

_NOT_FETCHED = frozenset({"RESULT_LOST", "NO_RESULT", "RESULT_TOO_LARGE"})
"""Bought, and the result could not be had: it is fetched again."""

_NOT_SHOWN = frozenset({"NOT_FOUND"})
"""Bought, and the service did not know it: it is asked again."""


class Retried(StrEnum):
    """What was done about an item."""

    LOOK = "will be looked at again, as if it had been touched"
    FETCH = "its result will be fetched again"
    ASK = "the service will be asked again"
    BUY = "will be bought again"
    CHARGED = "was charged though it failed; `--buy-again` buys it once more"
    REFUSED = "may have been bought already; `--buy-again` buys it once more"


def retry(connection: Connection, item: Item, now: float, *, buy_again: bool) -> Retried:
    """Give a failed, skipped or unknown item another try; what was, or may have been, paid only with `buy_again`."""
    if item.state in {ItemState.FAILED, ItemState.SKIPPED}:
        if item.cost and not buy_again:
            return Retried.CHARGED
        ask_again(connection, item.id, now)
        return Retried.LOOK
    return _retry_unknown(connection, item, now, buy_again=buy_again)


def _retry_unknown(connection: Connection, item: Item, now: float, *, buy_again: bool) -> Retried:
    original = item_by_id(connection, item.duplicate_of) if item.batch is None and item.duplicate_of else None
    if original is not None and original.state in BOUGHT | IN_FLIGHT:
        return _retry_with(connection, original, item, now, buy_again=buy_again)
    if item.failure_code in _NOT_FETCHED and not buy_again:
        _leave_doubt(connection, item, ItemState.DOWNLOADING, Retried.FETCH, now)
        return Retried.FETCH
    if item.failure_code in _NOT_SHOWN and item.batch is not None:
        connection.run("batch_again", id=item.batch)
        _leave_doubt(connection, item, ItemState.SUBMITTED, Retried.ASK, now)
        return Retried.ASK
    if not buy_again:
        return Retried.REFUSED
    _leave_doubt(connection, item, ItemState.READY, Retried.BUY, now)
    if item.batch is not None:
        presume(connection, batch_from(connection.all("batch", id=item.batch)[0]), item, now)
    connection.run("buy_again", id=item.id, client_ref=uuid.uuid4().hex)
    connection.run("drop_answer", item=item.id)
    return Retried.BUY


def fetch_lost(connection: Connection, rule: str, now: float) -> int:
    """Fetch again, at no cost, what a rule has paid for and could not get; give how many results that are."""
    unknown = every(connection, Wanted(rule, (ItemState.OUTCOME_UNKNOWN,)))
    lost = [item for item in unknown if item.failure_code == "RESULT_LOST"]
    for item in lost:
        retry(connection, item, now, buy_again=False)
    return len(lost)


def ask_again(connection: Connection, number: int, now: float) -> None:
    """Have the file of a failed item looked at anew, as if it had been touched."""
    connection.run("request_rescan", id=number)
    record(connection, number, now, f"another try was asked for: {Retried.LOOK}")


def _leave_doubt(connection: Connection, item: Item, after: ItemState, what: Retried, now: float) -> None:
    move(
        connection,
        item.id,
        ItemState.OUTCOME_UNKNOWN,
        after,
        by=None,
        now=now,
        detail=f"another try was asked for: {what}",
    )


def _retry_with(connection: Connection, original: Item, item: Item, now: float, *, buy_again: bool) -> Retried:
    """The item was to take its original's result, so the original is retried, and its duplicates come along."""
    if original.state is ItemState.OUTCOME_UNKNOWN:
        return retry(connection, original, now, buy_again=buy_again)
    after = ItemState.DOWNLOADING if original.state is ItemState.DONE else ItemState.DUPLICATE
    _leave_doubt(connection, item, after, Retried.FETCH, now)
    return Retried.FETCH
