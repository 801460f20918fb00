"""Rows of batches: what one is, and the moves of it and of the items that are bought in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import BatchState, ItemState, check_batch
from runflowd.core.model import LOCAL
from runflowd.store.claims import Claim, Claimable, hold, run_held
from runflowd.store.moves import move, move_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from runflowd.core.model import Json
    from runflowd.store.connection import Connection, Row
    from runflowd.store.items import Item


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch as the store knows it."""

    id: str
    rule: str
    snapshot: str
    service: str
    model: str
    state: BatchState
    items: int
    shape: str
    remote_id: str | None
    status: str
    cost: Decimal | None
    failure_code: str
    failure: str
    attempts: int
    sealed_at: float
    submitted_at: float | None
    stalled_at: float | None
    ended_at: float | None
    owner: str | None
    generation: int

    @property
    def overdue(self) -> bool:
        """Whether it was at the service for longer than its deadline when it was last looked at."""
        return self.state is BatchState.SUBMITTED and self.stalled_at is not None

    @property
    def claim(self) -> Claim:
        """The right to write about it and all it holds; one that was only read has none."""
        return Claim(Claimable.BATCH, self.id, self.owner, self.generation)


def batch_from(row: Row) -> Batch:
    """A whole `batch` row as a value."""
    return Batch(
        id=row["id"],
        rule=row["rule"],
        snapshot=row["snapshot"],
        service=row["service"],
        model=row["model"],
        state=BatchState(row["state"]),
        items=row["items"],
        shape=row["shape"],
        remote_id=row["remote_id"],
        status=row["status"],
        cost=Decimal(row["cost"]) if row["cost"] else None,
        failure_code=row["failure_code"],
        failure=row["failure"],
        attempts=row["attempts"],
        sealed_at=row["sealed_at"],
        submitted_at=row["submitted_at"],
        stalled_at=row["stalled_at"],
        ended_at=row["ended_at"],
        owner=row["owner"],
        generation=row["generation"],
    )


def move_batch(
    connection: Connection, batch: Batch, after: BatchState, *, code: str = "", reason: str = "", now: float
) -> None:
    """Move a batch along the table of transitions, which ends the claim of it. Raises `LeaseLost`."""
    check_batch(batch.state, after)
    ended = now if after in {BatchState.ENDED, BatchState.REFUSED, BatchState.UNKNOWN} else None
    values = {"failure_code": code, "failure": reason, "ended_at": ended}
    run_held(connection, "move_batch", batch.claim, before=batch.state, after=after, **values)


def rule_text(connection: Connection, batch: Batch) -> str:
    """The rule that a batch was sealed under, as text."""
    row = connection.one("snapshot", id=batch.snapshot)
    assert row is not None, "a batch refers to a snapshot that exists"
    return str(row["text"])


def doubt_items(
    connection: Connection, batch: Batch, items: Iterable[Item], *, code: str, reason: str, now: float
) -> None:
    """Whether these were bought, or what became of them, cannot be established. Raises `LeaseLost`."""
    for item in items:
        move(
            connection,
            item.id,
            item.state,
            ItemState.OUTCOME_UNKNOWN,
            by=batch.claim,
            code=code,
            reason=reason,
            now=now,
        )


def mark_submitted(
    connection: Connection, batch: Batch, items: list[Item], remote_id: str | None, shape: str, now: float
) -> None:
    """Move a batch and its items to submitted. Raises `LeaseLost`."""
    detail = f"bought in batch {remote_id}" if remote_id else "bought in a run of its own"
    details = {item.id: detail for item in items}
    before, after, claims = ItemState.QUEUED, ItemState.SUBMITTED, (batch.claim,)
    move_all(connection, details, before, after, by=claims, now=now, statement="move_bought_item")
    values = {"remote_id": remote_id, "shape": shape, "items": len(items), "now": now}
    run_held(connection, "batch_submitted", batch.claim, **values)
    move_batch(connection, batch, BatchState.SUBMITTED, now=now)


def end_batch(connection: Connection, batch: Batch, *, status: str, cost: Decimal | None, now: float) -> None:
    """Every item of a batch has its result or its failure. Raises `LeaseLost`."""
    values = {"status": status, "cost": str(cost) if cost is not None else None}
    run_held(connection, "batch_ended", batch.claim, **values)
    move_batch(connection, batch, BatchState.ENDED, now=now)


def place_items(connection: Connection, batch: Batch, positions: Iterable[tuple[Item, int]]) -> None:
    """Note at which place of the request each item stands. Raises `LeaseLost`."""
    hold(connection, batch.claim)
    elsewhere = [(item.id, position) for item, position in positions if item.position != position]
    rows = [{"id": number, "batch": batch.id, "position": position} for number, position in elsewhere]
    connection.run_many("place_item", rows)


def set_runs(connection: Connection, batch: Batch, runs: Mapping[int, str]) -> None:
    """Note which run at the service is each item's. Raises `LeaseLost`."""
    hold(connection, batch.claim)
    rows = [{"id": number, "batch": batch.id, "run_id": run} for number, run in runs.items()]
    connection.run_many("set_run", rows)


def mark_run_submitted(connection: Connection, batch: Batch, item: Item, run_id: str, now: float) -> None:
    """Note the run that was bought for an item alone, which counts as spent from now on. Raises `LeaseLost`."""
    set_runs(connection, batch, {item.id: run_id})
    connection.send("set_bought", id=item.id, batch=batch.id, now=now)


@dataclass(frozen=True, slots=True)
class Result:
    """What the service answered about an item; `output` is None where it has none.

    A `currency` that is not told ("") is that of the item's estimates.
    """

    item: Item
    run_id: str | None
    output: Json
    cost: Decimal | None
    currency: str = ""


def set_results(connection: Connection, batch: Batch, results: Sequence[Result]) -> None:
    """Keep what the service answered about items. Raises `LeaseLost`."""
    hold(connection, batch.claim)
    known = connection.run_each("set_result", [_result_values(batch, each) for each in results])
    _keep_answers(connection, [each for each, count in zip(results, known, strict=True) if count])


def take_results(
    connection: Connection,
    batch: Batch,
    results: Sequence[Result],
    details: Mapping[int, str],
    before: ItemState,
    *,
    code: str,
    reason: str,
    now: float,
) -> None:
    """Keep what the service answered about items that were in one state, and have it delivered. Raises `LeaseLost`."""
    own = {each.item.id: _result_values(batch, each) for each in results}
    moves = move_all(
        connection,
        details,
        before,
        ItemState.DOWNLOADING,
        by=(batch.claim,),
        now=now,
        code=code,
        reason=reason,
        statement="move_paid_item",
        own=own,
    )
    moved = set(moves)
    _keep_answers(connection, [each for each in results if each.item.id in moved])
    set_results(connection, batch, [each for each in results if each.item.id not in moved])


def _keep_answers(connection: Connection, results: Sequence[Result]) -> None:
    connection.run_many("drop_answer", [{"item": each.item.id} for each in results if each.output is None])
    kept = [each for each in results if each.output is not None]
    answers = [{"item": each.item.id, "output": json.dumps(each.output)} for each in kept]
    connection.run_many("save_answer", answers)


def _result_values(batch: Batch, result: Result) -> dict[str, Any]:
    currency = result.currency or result.item.currency
    values = {"run_id": result.run_id, "currency": currency, **_priced(batch, result.cost)}
    return {"id": result.item.id, "batch": batch.id, **values}


def _priced(batch: Batch, cost: Decimal | None) -> dict[str, str | None]:
    """What was paid, or of what this machine did, what the hosted service would have taken."""
    amount = None if cost is None else str(cost)
    return {"cost": None, "hosted": amount} if batch.service == LOCAL else {"cost": amount, "hosted": None}
