"""The ledger: what was stated adds up to what is entered, and what is entered stays."""

from __future__ import annotations

from contextlib import ExitStack
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from backends import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from named_contents import named
from postgres_server import quick_server

from runflowd.core.lifecycle import BatchState, ItemState
from runflowd.core.model import BatchLimits, Stat
from runflowd.core.money import Budget, Money, RuleMoney
from runflowd.store.arrivals import Arrival, arrive
from runflowd.store.batches import doubt_items, mark_submitted
from runflowd.store.items import item_by_id, items_of_batch
from runflowd.store.leases import Lease, claim_batches
from runflowd.store.ledger import Stated, settle, settle_rest
from runflowd.store.reserving import Purchase, limits_of
from runflowd.store.retries import Retried, retry
from runflowd.store.sealing import seal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.store.batches import Batch
    from runflowd.store.connection import Connection
    from runflowd.store.items import Item

NOW = 1_800_000_000.0
MONEY = Money(None, Budget(Decimal(9)), {"studio": RuleMoney(price=Decimal("0.30"))})
AMOUNTS = st.decimals(0, 3, places=2)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def connection(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A store of each kind for this module; each test undoes what it wrote."""
    with ExitStack() as stack:
        is_file = request.param == "sqlite"
        place = tmp_path_factory.mktemp("ledger") / "state.db" if is_file else quick_server().prepared()
        yield Backend(place, stack).connect()


def sealed(connection: Connection) -> None:
    """A batch of what is ready."""
    seal(connection, Purchase("snap", "studio", "", "m", "s"), BatchLimits(), MONEY, NOW)


def held(connection: Connection, *paths: str) -> Batch:
    """A batch of files that we have claimed."""
    connection.run("save_snapshot", id="snap", rule="studio", text="{}")
    for path in paths:
        arrive(connection, Arrival("studio", path, Stat(1, 2, 3), named(path), "image/jpeg", "r", {}, "snap"), NOW)
    sealed(connection)
    return claim_batches(connection, BatchState.SEALED, "s", Lease("us", NOW), 10)[0]


@pytest.fixture
def bought(connection: Connection) -> Iterator[tuple[Connection, Batch, list[Item]]]:
    """A batch of two items that are bought."""
    connection.raw.execute("BEGIN")
    batch = held(connection, "a.jpg", "b.jpg")
    yield connection, batch, items_of_batch(connection, batch.id)
    connection.raw.execute("ROLLBACK")


def rows(connection: Connection) -> list[tuple[Any, ...]]:
    """The ledger: kind, amount and currency of each row."""
    connection.all("purchases_of_batch", batch="")  # what was sent before is carried out with it
    return [tuple(row) for row in connection.raw.execute("SELECT kind, amount, currency FROM ledger ORDER BY id")]


@settings(max_examples=25, deadline=None)
@given(stated=st.lists(AMOUNTS, min_size=1, max_size=6))
def test_what_is_entered_adds_up_to_what_was_stated_last(connection: Connection, stated: list[Decimal]) -> None:
    """However often a sum is stated, and however it changes."""
    connection.raw.execute("BEGIN")
    try:
        batch = held(connection, "a.jpg")
        (item,) = items_of_batch(connection, batch.id)
        for amount in stated:
            settle(connection, batch, [(item, Stated(amount, "USD", "run"))], NOW)
            settle(connection, batch, [(item, Stated(amount, "USD", "run"))], NOW)

        assert stated[-1] == sum(Decimal(amount) for _, amount, _ in rows(connection))
    finally:
        connection.raw.execute("ROLLBACK")


def test_a_changed_sum_is_a_correction_or_a_refund(bought: tuple[Connection, Batch, list[Item]]) -> None:
    """Beside the charge, which stays as it was."""
    connection, batch, (item, _) = bought
    for amount in ("0.30", "0.30", "0.35", "0.10"):
        settle(connection, batch, [(item, Stated(Decimal(amount)))], NOW)

    assert [("charge", "0.3", "USD"), ("correction", "0.05", "USD"), ("refund", "-0.25", "USD")] == rows(connection)


def test_nothing_is_summed_across_currencies(bought: tuple[Connection, Batch, list[Item]]) -> None:
    """A limit counts what is in its own, and what a batch cost in another is not held against its items' costs."""
    connection, batch, (first, second) = bought
    settle(connection, batch, [(first, Stated(Decimal("0.30"), "EUR"))], NOW)
    connection.run("set_cost", id=first.id, batch=batch.id, cost="0.30", currency="EUR")
    settle_rest(connection, batch, Stated(Decimal("0.60"), "USD"), NOW)
    settle(connection, batch, [(second, Stated(Decimal("0.40"), "USD"))], NOW)
    charged = {
        currency: limits_of(connection, Money(None, Budget(Decimal(9)), currency=currency), "studio", NOW)[0].charged
        for currency in ("USD", "EUR", "GBP")
    }

    assert {"USD": Decimal("0.40"), "EUR": Decimal("0.30"), "GBP": Decimal(0)} == charged


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM ledger",
        "UPDATE ledger SET amount = '0'",
        "UPDATE ledger SET at = 0",
        "DELETE FROM account",
        "UPDATE account SET model = 'other'",
    ],
)
def test_what_is_entered_stays(bought: tuple[Connection, Batch, list[Item]], change: str) -> None:
    """Whatever a later version of this program tries."""
    connection, batch, (item, _) = bought
    settle(connection, batch, [(item, Stated(Decimal("0.30")))], NOW)
    connection.raw.execute("SAVEPOINT entered")
    with pytest.raises(connection.failures, match="what is entered in the ledger stays"):
        connection.raw.execute(change)
    connection.raw.execute("ROLLBACK TO entered")

    assert [("charge", "0.3", "USD")] == rows(connection)


def test_what_is_bought_again_is_reserved_anew(bought: tuple[Connection, Batch, list[Item]]) -> None:
    """What its first purchase cost is known, and says nothing of the second one, which is on its way."""
    connection, batch, items = bought
    mark_submitted(connection, batch, items, "remote", "guide", NOW)
    (batch,) = claim_batches(connection, BatchState.SUBMITTED, "s", Lease("us", NOW), 10)
    doubt_items(connection, batch, items_of_batch(connection, batch.id), code="RESULT_MISSING", reason="x", now=NOW)
    settle_rest(connection, batch, Stated(Decimal("0.60")), NOW)
    again = [retry(connection, item, NOW, buy_again=True) for item in items_of_batch(connection, batch.id)]
    sealed(connection)
    (limit,) = limits_of(connection, MONEY, "studio", NOW)
    states = [found.state for item in items if (found := item_by_id(connection, item.id))]

    assert ([Retried.BUY] * 2, [ItemState.QUEUED] * 2) == (again, states)
    assert (Decimal("0.60"), Decimal("0.60")) == (limit.charged, limit.reserved)
