"""Two processes over one state file: whoever lost a lease writes nothing any more, and is told so."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from backends import Backend, everything
from named_contents import named

import runflowd
from runflowd.api.values import Item as Answer
from runflowd.api.values import Status
from runflowd.core.lifecycle import BatchState, ItemState, Outcome
from runflowd.core.model import BatchLimits, OutputPath, Stat
from runflowd.core.money import Money
from runflowd.pipeline.track.answers import record_answers
from runflowd.store import open_store
from runflowd.store.arrivals import Arrival, arrive
from runflowd.store.batches import (
    Batch,
    Result,
    doubt_items,
    end_batch,
    mark_run_submitted,
    mark_submitted,
    move_batch,
    place_items,
    set_results,
    set_runs,
)
from runflowd.store.claims import LeaseLost, hold
from runflowd.store.deliveries import Delivered, finish, note_written, release_item
from runflowd.store.items import Item, claim_items, item_from, items_of_batch
from runflowd.store.leases import Lease, claim_batches, free_leases, release
from runflowd.store.links import send_again
from runflowd.store.moves import move
from runflowd.store.outputs import Reservation, forget_output, outputs_written, reserve_outputs
from runflowd.store.purchases import (
    about_to_send,
    close_purchase,
    close_unreceived,
    doubt_purchase,
    note_unreceived,
    purchases_of_batch,
    record_intent,
)
from runflowd.store.receipts import Drawn, receipt_renewed, receipt_stands, reserve_receipt
from runflowd.store.reserving import Purchase
from runflowd.store.sealing import save_snapshot, seal
from runflowd.store.statements import STATEMENTS
from runflowd.store.unbought import drop_from_batch, hold_for_folder, set_free, split_batch, take_back

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.store import Store
    from runflowd.store.connection import Connection

    BatchWrite = Callable[[Connection, Batch, list[Item], str], object]
    ItemWrite = Callable[[Connection, Item], object]

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.0
LATER = NOW + 100

ANSWER = Answer("", "run", None, Status.SUCCEEDED, "succeeded", {"url": "u"}, Decimal("0.01"), None)

SEALED_WRITES: dict[str, BatchWrite] = {
    "give it back": lambda c, batch, items, key: release(c, batch, due_at=LATER),
    "write an intent": lambda c, batch, items, key: record_intent(c, batch, "guide", b"{}", LATER),
    "settle an intent": lambda c, batch, items, key: close_purchase(c, batch, key, Outcome.REFUSED),
    "note that an intent did not arrive": lambda c, batch, items, key: note_unreceived(c, batch, key),
    "send an intent once more": lambda c, batch, items, key: about_to_send(c, batch, key),
    "close an intent that did not arrive": lambda c, batch, items, key: close_unreceived(c, batch, key),
    "send items again": lambda c, batch, items, key: send_again(c, batch, [(items[0], "unreadable")], LATER),
    "doubt an intent": lambda c, batch, items, key: doubt_purchase(c, batch, key),
    "place its items": lambda c, batch, items, key: place_items(c, batch, [(items[0], 1)]),
    "buy a run": lambda c, batch, items, key: mark_run_submitted(c, batch, items[0], "run", NOW),
    "take an item back": lambda c, batch, items, key: take_back(c, batch, items[0], NOW, "x"),
    "hold an item for its folder": lambda c, batch, items, key: hold_for_folder(c, batch, items[0], "x", NOW, "x"),
    "note a run": lambda c, batch, items, key: set_runs(c, batch, {items[0].id: "run"}),
    "take an item out": lambda c, batch, items, key: drop_from_batch(
        c, batch, items[0], ItemState.FAILED, "NO", "no", LATER
    ),
    "set items free": lambda c, batch, items, key: set_free(c, batch, items, LATER, "refused"),
    "doubt its items": lambda c, batch, items, key: doubt_items(c, batch, items, code="NO", reason="no", now=LATER),
    "split it": lambda c, batch, items, key: split_batch(c, batch, items, LATER),
    "submit it": lambda c, batch, items, key: mark_submitted(c, batch, items, "remote", "guide", LATER),
    "refuse it": lambda c, batch, items, key: move_batch(c, batch, BatchState.REFUSED, now=LATER),
    "ask whether it may post": lambda c, batch, items, key: hold(c, batch.claim),
}
"""All that the stages write about a batch that is to be bought."""

SUBMITTED_WRITES: dict[str, BatchWrite] = {
    "give it back": lambda c, batch, items, key: release(c, batch, due_at=LATER),
    "keep a result": lambda c, batch, items, key: set_results(
        c, batch, [Result(items[0], run_id="run", output={}, cost=Decimal(1))]
    ),
    "record an answer": lambda c, batch, items, key: record_answers(c, batch, [(items[0], ANSWER)], LATER),
    "doubt its items": lambda c, batch, items, key: doubt_items(c, batch, items, code="NO", reason="no", now=LATER),
    "end it": lambda c, batch, items, key: end_batch(c, batch, status="done", cost=None, now=LATER),
    "mark it unknown": lambda c, batch, items, key: move_batch(c, batch, BatchState.UNKNOWN, now=LATER),
}
"""All that the stages write about a batch that is waited for."""


def named_result(item: Item, name: str) -> Reservation:
    """A result of an item that is about to appear under a name."""
    return Reservation(item, OutputPath("/out", name), 0, named("result"), 5)


ITEM_WRITES: dict[str, ItemWrite] = {
    "give it back": lambda c, item: release_item(c, item, due_at=LATER, attempts=1),
    "reserve a name": lambda c, item: reserve_outputs(c, [named_result(item, "new.webp")]),
    "say that a file stands": lambda c, item: outputs_written(c, [(item, [OutputPath("/out", "a.webp")])], LATER),
    "forget a name": lambda c, item: forget_output(c, OutputPath("/out", "a.webp"), by=item.claim),
    "close it": lambda c, item: finish(c, [Delivered(item)], LATER),
    "give it up": lambda c, item: move(
        c, item.id, ItemState.DOWNLOADING, ItemState.OUTCOME_UNKNOWN, by=item.claim, now=LATER, code="RESULT_LOST"
    ),
}
"""All that the stages write about an item that is to be delivered."""

DRAWN = Drawn(b"{}", ())
RECEIPT = OutputPath("/receipts", "a.jpg.json")

RECEIPT_WRITES: dict[str, ItemWrite] = {
    "reserve its name": lambda c, item: reserve_receipt(c, item, RECEIPT, DRAWN),
    "say that it stands": lambda c, item: receipt_stands(c, item, DRAWN.sha256),
    "give it back": lambda c, item: receipt_renewed(c, item, DRAWN.sha256, RECEIPT, LATER),
}
"""All that the stages write about an item whose receipt is to be written anew."""


@pytest.fixture
def two(backend: Backend) -> tuple[Connection, Connection]:
    """Two connections to one store, as two processes have them."""
    return backend.connect(), backend.connect()


def sealed(connection: Connection, *paths: str) -> str:
    """A batch of ready items."""
    snapshot = save_snapshot(connection, "studio", "{}")
    for path in paths:
        arrive(
            connection,
            Arrival("studio", path, Stat(1, 2, 3), named(path), "image/jpeg", "r", {}, snapshot),
            NOW,
        )
    batch = seal(connection, Purchase(snapshot, "studio", "", "m", "s"), BatchLimits(), Money(), NOW).batch
    assert batch is not None
    return batch


def claimed(connection: Connection, owner: str, now: float, state: BatchState = BatchState.SEALED) -> Batch:
    """The one batch that is due; the other one finds all before it dead."""
    if owner == "other":
        free_leases(connection, {owner})
    (batch,) = claim_batches(connection, state, "s", Lease(owner, now), 1)
    return batch


def delivery(connection: Connection, owner: str, now: float, statement: str = "claim_deliveries") -> Item:
    """The one item that is to be delivered, or noted."""
    if owner == "other":
        free_leases(connection, {owner})
    values = {"owner": owner, "now": now, "rule": "studio", "paused": "[]", "limit": 1}
    (item,) = claim_items(connection, statement, **values)
    return item


def tried(connection: Connection, work: Callable[[Connection], object]) -> None:
    """A transaction that a lost lease undoes."""
    connection.begin()
    with pytest.raises(LeaseLost):
        work(connection)
    connection.roll_back()


@pytest.mark.parametrize("name", SEALED_WRITES)
def test_a_batch_that_was_taken_over_is_not_written_about(two: tuple[Connection, Connection], name: str) -> None:
    """The first was stopped while it bought, and another one bought the batch meanwhile."""
    one, other = two
    sealed(one, "a.jpg", "b.jpg")
    stale = claimed(one, "one", NOW)
    key = record_intent(one, stale, "guide", b"{}", NOW).key
    claimed(other, "other", LATER)
    before, items = everything(other), items_of_batch(one, stale.id)
    tried(one, lambda connection: SEALED_WRITES[name](connection, stale, items, key))

    assert before == everything(other)


@pytest.mark.parametrize("name", SUBMITTED_WRITES)
def test_a_batch_that_another_one_polls_is_not_written_about(two: tuple[Connection, Connection], name: str) -> None:
    """The first was stopped between the answer and its record."""
    one, other = two
    number = sealed(one, "a.jpg", "b.jpg")
    mark_submitted(one, claimed(one, "one", NOW), items_of_batch(one, number), "remote", "guide", NOW)
    stale = claimed(one, "one", NOW, BatchState.SUBMITTED)
    claimed(other, "other", LATER, BatchState.SUBMITTED)
    before, items = everything(other), items_of_batch(one, stale.id)
    tried(one, lambda connection: SUBMITTED_WRITES[name](connection, stale, items, ""))

    assert before == everything(other)


@pytest.mark.parametrize("name", ITEM_WRITES)
def test_an_item_that_another_one_delivers_is_not_written_about(two: tuple[Connection, Connection], name: str) -> None:
    """The first was away until its session was dead."""
    one, other = two
    sealed(one, "a.jpg")
    one.raw.execute("UPDATE item SET state = 'downloading'")
    stale = delivery(one, "one", NOW)
    reserve_outputs(one, [named_result(stale, "a.webp")])
    delivery(other, "other", LATER)
    before = everything(other)
    tried(one, lambda connection: ITEM_WRITES[name](connection, stale))

    assert before == everything(other)


@pytest.mark.parametrize("name", RECEIPT_WRITES)
def test_a_receipt_that_another_one_writes_is_not_written_about(two: tuple[Connection, Connection], name: str) -> None:
    """The other one may have drawn it with money that has moved since."""
    one, other = two
    sealed(one, "a.jpg")
    one.raw.execute("UPDATE item SET state = 'done', receipt_state = 'outdated'")
    stale = delivery(one, "one", NOW, "claim_receipts")
    delivery(other, "other", LATER, "claim_receipts")
    before = everything(other)
    tried(one, lambda connection: RECEIPT_WRITES[name](connection, stale))

    assert before == everything(other)


@pytest.mark.parametrize("name", ITEM_WRITES)
def test_a_row_that_was_only_read_is_not_written_about(two: tuple[Connection, Connection], name: str) -> None:
    """A claim comes from claiming alone."""
    one, _ = two
    sealed(one, "a.jpg")
    one.raw.execute("UPDATE item SET state = 'downloading'")
    (item,) = (item_from(row) for row in one.raw.execute("SELECT * FROM full_item"))
    before = everything(one)
    tried(one, lambda connection: ITEM_WRITES[name](connection, item))

    assert before == everything(one)


def test_a_note_of_a_process_that_was_away_is_written_anew(two: tuple[Connection, Connection]) -> None:
    """It has just put its own text over that of the other one; which is right, the next look decides."""
    one, other = two
    sealed(one, "a.jpg")
    one.raw.execute("UPDATE item SET state = 'failed', batch_number = NULL")
    stale = delivery(one, "one", NOW, "claim_notes")
    fresh = delivery(other, "other", LATER, "claim_notes")
    standing = (note_written(other, fresh, LATER), note_written(one, stale, LATER))

    assert (True, True) == standing
    assert ["outdated"] == [row["note_state"] for row in one.raw.execute("SELECT note_state FROM item")]


def test_halves_are_made_once(two: tuple[Connection, Connection]) -> None:
    """Two that both got the refusal: the second would have bought the halves a second time."""
    one, other = two
    number = sealed(one, "a.jpg", "b.jpg")
    items = items_of_batch(one, number)
    stale = claimed(one, "one", NOW)
    split_batch(other, claimed(other, "other", LATER), items, LATER)
    tried(one, lambda connection: split_batch(connection, stale, items, LATER))

    assert 3 == len(one.raw.execute("SELECT id FROM batch").fetchall())


def test_an_intent_of_one_that_went_away_is_doubtful(two: tuple[Connection, Connection]) -> None:
    """Whether it was sent, only the service knows: it is looked for before it is sent again."""
    one, other = two
    sealed(one, "a.jpg")
    stale = claimed(one, "one", NOW)
    record_intent(one, stale, "guide", b"{}", NOW)
    claimed(other, "other", LATER)

    assert [True] == [purchase.ambiguous for purchase in purchases_of_batch(other, stale.id)]


def test_a_delivery_goes_on_while_a_newer_content_takes_its_path(two: tuple[Connection, Connection]) -> None:
    """It is the newer file that got a row; the old one is still this process's to deliver."""
    one, _ = two
    sealed(one, "a.jpg")
    one.raw.execute("UPDATE item SET state = 'downloading'")
    item = delivery(one, "one", NOW)
    snapshot = save_snapshot(one, "studio", "{}")
    arrive(one, Arrival("studio", "a.jpg", Stat(9, 9, 9), named("newer"), "image/jpeg", "r", {}, snapshot), LATER)
    finish(one, [Delivered(item)], LATER)

    assert ["done", "ready"] == [row["state"] for row in one.raw.execute("SELECT state FROM item ORDER BY id")]


async def test_a_lost_lease_undoes_its_own_part_of_a_commit_alone(backend: Backend) -> None:
    """The others that are committed with it know nothing of it."""
    async with open_store(backend.place) as store:
        await store.write(lambda connection: sealed(connection, "a.jpg", "b.jpg"))
        stale = await store.write(lambda connection: claimed(connection, "one", NOW))
        await store.write(lambda connection: claimed(connection, "other", LATER))
        before = store.commits
        lost: list[LeaseLost] = []
        async with anyio.create_task_group() as group:
            group.start_soon(_save, store, "first")
            group.start_soon(_spoil, store, stale, lost)
            group.start_soon(_save, store, "last")
        found = await store.read(
            lambda connection: connection.raw.execute("SELECT key FROM kv WHERE key <> 'period'").fetchall()
        )

    assert (1, ["first", "last"]) == (len(lost), sorted(row["key"] for row in found))
    assert store.commits - before <= 2


async def test_a_name_goes_to_one_of_those_that_ask_at_once_for_it(backend: Backend) -> None:
    """And one whose lease is lost gets none, and is in nobody's way."""
    async with open_store(backend.place) as store:
        await store.write(lambda connection: sealed(connection, "a.jpg", "b.jpg", "c.jpg", "d.jpg"))
        items = await store.write(lambda connection: _delivering(connection, store.owner))
        names, got = ("same.webp", "Same.webp", "c.webp", "d.webp"), dict[str, bool | str]()
        lost = replace(items[3], generation=items[3].generation - 1)

        async def reserve(item: Item, name: str) -> None:
            wanted = Reservation(item, OutputPath("/out", name), 0, named("r"), 5, fits=lambda known: known is None)
            try:
                got[name] = await store.write_together(reserve_outputs, wanted)
            except LeaseLost:
                got[name] = "lost"

        async with anyio.create_task_group() as group:
            for item, name in zip([*items[:3], lost], names, strict=True):
                group.start_soon(reserve, item, name)
        rows = await store.read(lambda connection: connection.raw.execute("SELECT relative FROM output").fetchall())

    assert {"c.webp": True, "d.webp": "lost"} == {name: got[name] for name in names[2:]}
    assert {True, False} == {got["same.webp"], got["Same.webp"]}
    assert 2 == len(rows)


def _delivering(connection: Connection, owner: str) -> list[Item]:
    connection.raw.execute(f"UPDATE item SET state = 'downloading', owner = '{owner}', generation = 1")
    return [item_from(row) for row in connection.raw.execute("SELECT * FROM full_item ORDER BY id").fetchall()]


def test_a_claim_is_asked_for_once_in_a_part_of_a_transaction(two: tuple[Connection, Connection]) -> None:
    """Nobody else writes until the commit; the next part asks anew."""
    one, _ = two
    sealed(one, "a.jpg")
    batch = claimed(one, "one", NOW)
    one.begin()
    one.begin_part()
    hold(one, batch.claim)
    one.raw.execute("UPDATE batch SET owner = 'other'")
    hold(one, batch.claim)
    one.end_part()
    one.begin_part()
    with pytest.raises(LeaseLost):
        hold(one, batch.claim)
    one.undo_part()
    one.roll_back()


async def _save(store: Store, key: str) -> None:
    await store.write(lambda connection: connection.run("save_value", service="", key=key, value="yes"))


async def _spoil(store: Store, stale: Batch, lost: list[LeaseLost]) -> None:
    def work(connection: Connection) -> None:
        connection.run("save_value", service="", key="of a stale owner", value="no")
        release(connection, stale, due_at=LATER)

    try:
        await store.write(work)
    except LeaseLost as error:
        lost.append(error)


def test_the_stages_name_no_statement_about_a_claimed_row() -> None:
    """They write through functions that ask for the claim, so that a forgotten one is a type error."""
    claimable = {name for name, text in STATEMENTS.items() if re.search(_CHANGES, text)}
    named = {
        (file.name, node.args[0].value)
        for stage in ("dispatch", "track", "deliver")
        for file in (Path(runflowd.__file__).parent / "pipeline" / stage).glob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in RUNS
        if node.args and isinstance(node.args[0], ast.Constant)
    }

    assert named
    assert [] == [each for each in named if each[1] in claimable]


RUNS = ("run", "run_many", "run_each", "send")

_CHANGES = re.compile(
    r"^\s*(UPDATE( OR \w+)?|INSERT( OR \w+)? INTO|DELETE FROM) (item|batch|purchase|output)\b", re.MULTILINE
)
