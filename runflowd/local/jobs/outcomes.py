"""Ending runs: the result, the charge, the batch's counters and the callback, all in one transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runflowd.local.jobs.deliveries import announce

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from runflowd.local.context import Service


COUNTERS = {"succeeded": "succeeded", "partial_succeeded": "succeeded", "failed": "failed", "canceled": "cancelled"}
"""Terminal status of a run -> the counter of its batch, which has another spelling (concepts/runs)."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A finished file that is already on disk."""

    sha256: str
    size: int
    name: str
    mime_type: str
    width: int
    height: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed: `failure_code`, `failure_message`, `failure_stage_code`."""

    code: str
    message: str
    stage: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run ended. A failure without a code is a cancellation; `missing` says why some outputs did not come.

    `cost` is in millionths of a dollar, for one that gave a result.
    """

    run: sqlite3.Row
    files: tuple[Stored, ...] = ()
    notes: tuple[str, ...] = ()
    failure: Failure | None = None
    cancelled: bool = False
    missing: Failure | None = None
    cost: int = 0

    @property
    def status(self) -> str:
        """The run's terminal status."""
        if self.cancelled:
            return "canceled"
        if self.failure:
            return "failed"
        return "partial_succeeded" if self.missing else "succeeded"

    @property
    def counted(self) -> str:
        """The column of its batch that counts it: what gave a result, and was charged, counts as a success."""
        return COUNTERS[self.status]


def record(service: Service, outcomes: Sequence[Outcome]) -> None:
    """Write down how these runs ended. A run that already ended is left alone, so none is charged twice."""
    with service.storage.transaction():
        charged = sum(_record_one(service, outcome) for outcome in outcomes)
        close_batches(service, {outcome.run["batch_id"] for outcome in outcomes} - {None})
    service.spent += charged
    service.posts.set()
    service.settled.set()


def _record_one(service: Service, outcome: Outcome) -> int:
    """Returns the amount charged, in millionths of a dollar."""
    run, now = outcome.run, service.clock()
    good = outcome.counted == "succeeded"
    cost = outcome.cost if good else 0
    failure = outcome.failure or outcome.missing or Failure("", "", "")
    output = _output(service, outcome, now) if good else None
    changed = service.storage.run(
        "UPDATE runs SET status = ?, output = ?, cost = ?, failure_code = ?, failure_message = ?, failure_stage = ?,"
        " completed_at = ? WHERE id = ? AND status = 'running'",
        outcome.status, output, cost, failure.code or None, failure.message or None, failure.stage or None,
        now, run["id"],
    )  # fmt: skip
    if not changed:
        return 0
    notes = [("info", note) for note in outcome.notes] + ([("error", failure.message)] if failure.code else [])
    service.storage.insert("logs", [_log(service, run["id"], level, text, now) for level, text in notes])
    if good:
        service.storage.insert("charges", [_charge(run, cost, now)])
    if run["batch_id"]:
        column = outcome.counted
        sql = f"UPDATE batches SET {column} = {column} + 1, cost = cost + ? WHERE id = ?"  # noqa: S608 - our word
        service.storage.run(sql, cost, run["batch_id"])
    elif run["callback_url"]:
        announce(service, "run", run["id"])
    return int(cost)


def _output(service: Service, outcome: Outcome, now: float) -> str:
    assets = [
        {
            "id": service.new_id(), "name": file.name, "mime_type": file.mime_type, "size": file.size,
            "sha256": file.sha256, "confirmed": 1, "folder_id": None, "source_type": "run",
            "source_id": outcome.run["id"], "created_at": now, "updated_at": now,
        }
        for file in outcome.files
    ]  # fmt: skip
    service.storage.insert("assets", assets)
    shown = [
        {
            "asset_id": asset["id"],
            "name": file.name,
            "mime_type": file.mime_type,
            "width": file.width,
            "height": file.height,
            "seconds": file.seconds,
        }
        for asset, file in zip(assets, outcome.files, strict=True)
    ]
    return json.dumps(shown)


def _log(service: Service, run_id: str, level: str, text: str, now: float) -> dict[str, Any]:
    return {"id": service.new_id(), "run_id": run_id, "level": level, "message": text, "created_at": now}


def _charge(run: sqlite3.Row, cost: int, now: float) -> dict[str, Any]:
    values, images = json.loads(run["input"]), json.loads(run["images"])
    for name, image in images.items():
        values[name] = image["sha256"]
    return {
        "run_id": run["id"],
        "batch_id": run["batch_id"],
        "model": run["model"],
        "content": ",".join(image["sha256"] for image in images.values()),
        "input": json.dumps(values, sort_keys=True),
        "amount": cost,
        "charged_at": now,
    }


def close_batches(service: Service, batch_ids: Iterable[str]) -> None:
    """End each of these batches whose items have all ended, and announce it. Runs inside a transaction."""
    for batch_id in sorted(batch_ids):
        row = service.storage.one("SELECT * FROM batches WHERE id = ? AND completed_at IS NULL", batch_id)
        if row is None or row["succeeded"] + row["failed"] + row["cancelled"] < row["total"]:
            continue
        service.storage.run(
            "UPDATE batches SET status = ?, completed_at = ? WHERE id = ?", _verdict(row), service.clock(), batch_id
        )
        if row["callback_url"]:
            announce(service, "batch", batch_id)


def _verdict(row: sqlite3.Row) -> str:
    for status in ("succeeded", "failed", "canceled"):
        if row[COUNTERS[status]] == row["total"]:
            return status
    return "partial_succeeded" if row["succeeded"] else "failed"
