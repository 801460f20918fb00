"""Asking for another try: what that means for a failed item, and for one whose outcome is unknown."""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import BOUGHT, IN_FLIGHT, ItemState
from runflowd.store.items import item_by_id, move

if TYPE_CHECKING:
    from runflowd.store.connection import Connection
    from runflowd.store.items import Item

_NOT_FETCHED = frozenset({"RESULT_LOST", "NO_RESULT"})
"""Bought, and the result could not be had: it is fetched again."""

_NOT_SHOWN = frozenset({"NOT_FOUND"})
"""Bought, and the service did not know it: it is asked again."""


class Retried(StrEnum):
    """What was done about an item."""

    LOOK = "will be looked at again, as if it had been touched"
    FETCH = "its result will be fetched again"
    ASK = "the service will be asked again"
    BUY = "will be bought again"
    REFUSED = "may have been bought already; `--buy-again` buys it once more"


def retry(connection: Connection, item: Item, *, buy_again: bool) -> Retried:
    """Give a failed or unknown item another try; one that may have been bought only with `buy_again`."""
    if item.state is ItemState.FAILED:
        connection.run("look_again", id=item.id)
        return Retried.LOOK
    twin = item_by_id(connection, item.source_item) if item.batch is None and item.source_item else None
    if twin is not None and twin.state in BOUGHT | IN_FLIGHT:
        return _retry_with(connection, twin, item, buy_again=buy_again)
    if item.failure_code in _NOT_FETCHED and not buy_again:
        move(connection, item.id, ItemState.UNKNOWN, ItemState.DELIVERING)
        return Retried.FETCH
    if item.failure_code in _NOT_SHOWN and item.batch is not None:
        connection.run("batch_again", id=item.batch)
        move(connection, item.id, ItemState.UNKNOWN, ItemState.SUBMITTED)
        return Retried.ASK
    if not buy_again:
        return Retried.REFUSED
    move(connection, item.id, ItemState.UNKNOWN, ItemState.READY)
    connection.run("buy_again", id=item.id, client_ref=uuid.uuid4().hex)
    return Retried.BUY


def _retry_with(connection: Connection, twin: Item, item: Item, *, buy_again: bool) -> Retried:
    """The item was to take its twin's result, so it is the twin that is retried; who follows it comes along."""
    if twin.state is ItemState.UNKNOWN:
        return retry(connection, twin, buy_again=buy_again)
    after = ItemState.DELIVERING if twin.state is ItemState.DONE else ItemState.FOLLOWING
    move(connection, item.id, ItemState.UNKNOWN, after)
    return Retried.FETCH
