"""The workers: claim queued runs, process their files in a thread, record how they ended.

A page of runs is claimed and committed at once. Its size follows the speed of the model: one file at a
time when they take long, many when they take next to nothing.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
from anyio import CapacityLimiter, to_thread

from runflowd.local.http.admission import names_of
from runflowd.local.identity import to_micros
from runflowd.local.jobs.inputs import unknown
from runflowd.local.jobs.outcomes import Failure, Outcome, Stored, record
from runflowd.local.jobs.references import Picture
from runflowd.local.models.bundled import ZIP, bundled
from runflowd.local.models.contract import EncodedFile, ModelFailure
from runflowd.local.models.processes import extras_with

if TYPE_CHECKING:
    from runflowd.local.context import Service
    from runflowd.local.faults.plan import RunFault

MAX_WORKERS = 32
"""Runs in one page at most."""

QUICK, SLOW = 0.02, 0.1
"""Seconds in which a page doubles the next one, and from which it halves it."""

RECOVERY = 1.0
"""Seconds to wait when the disk refuses."""

UNREADABLE = Failure(
    "INPUT_DOWNLOAD_FAILED", "The input could not be downloaded: 403 Forbidden, its link has expired.", "preprocess"
)
"""How a run fails, uncharged, that is to read its input through a link that is closed."""

MAX_STARTS = 2
"""Times that work on a run may begin and end with the death of the service."""

logger = logging.getLogger(__name__)


def resume(service: Service, runs: list[sqlite3.Row] | None = None) -> None:
    """Queue again what was in work: these runs, or all of them after a restart. None was charged.

    A run in whose company the service was killed twice has likely killed it, such as by its size, and fails.
    """
    sql = "UPDATE runs SET status = 'queued', started_at = NULL WHERE status = 'running'"
    if runs is None:
        killers = service.storage.all("SELECT * FROM runs WHERE status = 'running' AND starts >= ?", MAX_STARTS)
        message = f"the service was killed {MAX_STARTS} times while it worked on this; the input is probably too large"
        record(service, [Outcome(run, failure=Failure("SERVICE_KILLED", message, "inference")) for run in killers])
    with service.storage.transaction():
        if runs is None:
            service.storage.run(sql)
        for run in runs or ():
            service.storage.run(f"{sql} AND id = ?", run["id"])


def resume_stuck(service: Service) -> None:
    """Queue again the runs that a fault holds; those in work are left alone."""
    running = service.storage.all("SELECT * FROM runs WHERE status = 'running'")
    resume(service, [run for run in running if run["id"] not in service.in_work])
    service.work.set()


async def work(service: Service) -> None:
    """One worker, for ever."""
    page, limiter = 1, CapacityLimiter(1)
    while True:
        claimed = _claim(service, 1 if service.plan.faults.runs else page)  # in trials each run ends by itself
        if not claimed:
            await service.work.wait(60.0)
            continue
        service.in_work |= {run["id"] for run in claimed}
        try:
            page = await _process_page(service, claimed, page, limiter)
        except (OSError, sqlite3.Error):
            logger.exception("storage failed", extra={"action": "storage_failed"})
            await anyio.sleep(RECOVERY)
            resume(service, claimed)
        finally:
            service.in_work -= {run["id"] for run in claimed}
        service.settled.set()


async def _process_page(service: Service, claimed: list[sqlite3.Row], page: int, limiter: CapacityLimiter) -> int:
    """Process and record; return the size of the next page."""
    ended, jobs, partial = await _strike(service, claimed)
    began = time.perf_counter()
    if jobs:
        count_starts(service, jobs)
        # A process that stops does not wait for a model: the run is still `running` and starts over.
        developed = await to_thread.run_sync(
            lambda: [_develop(service, run) for run in jobs], abandon_on_cancel=True, limiter=limiter
        )
        ended += [replace(each, missing=partial.get(each.run["id"])) for each in developed]
    taken = time.perf_counter() - began
    if ended:
        record(service, ended)
    if taken < QUICK:
        return min(page * 2, MAX_WORKERS)
    return max(page // 2, 1) if taken > SLOW else page


def count_starts(service: Service, jobs: list[sqlite3.Row]) -> None:
    """Note that work on these runs begins, in case it does not end: see `resume`."""
    numbers = json.dumps([row["number"] for row in jobs])
    service.storage.run("UPDATE runs SET starts = starts + 1 WHERE number IN (SELECT value FROM json_each(?))", numbers)


def _claim(service: Service, limit: int) -> list[sqlite3.Row]:
    """The oldest queued runs, now `running`; one that was in work when the service was killed comes alone."""
    rows = service.storage.all("SELECT * FROM runs WHERE status = 'queued' AND starts > 0 ORDER BY number LIMIT 1")
    rows = rows or service.storage.all("SELECT * FROM runs WHERE status = 'queued' ORDER BY number LIMIT ?", limit)
    if rows:
        now = service.clock()
        numbers = json.dumps([row["number"] for row in rows])
        with service.storage.transaction():
            service.storage.run(
                "UPDATE runs SET status = 'running', started_at = ? WHERE number IN (SELECT value FROM json_each(?))",
                now,
                numbers,
            )
            for batch_id in {row["batch_id"] for row in rows} - {None}:
                service.storage.run(
                    "UPDATE batches SET status = 'running', started_at = ? WHERE id = ? AND started_at IS NULL",
                    now,
                    batch_id,
                )
    return rows


async def _strike(
    service: Service, claimed: list[sqlite3.Row]
) -> tuple[list[Outcome], list[sqlite3.Row], dict[str, Failure]]:
    """Deal out the runs' faults: which ended at once, which are still to be processed, and why some only in part."""
    ended, jobs, partial = [], [], {}
    for run in claimed:
        fault = _fault(service, run)
        if fault is not None and fault.kind == "slow":
            await anyio.sleep(fault.seconds)
            fault = None
        if fault is None and not _links_ended(service, run):
            jobs.append(run)
        elif fault is None or fault.kind == "unreadable":
            ended.append(Outcome(run, failure=UNREADABLE))
        elif fault.kind == "partial":
            partial[run["id"]] = Failure(fault.code, fault.message, fault.stage)
            jobs.append(run)
        elif fault.kind == "fail":
            ended.append(Outcome(run, failure=Failure(fault.code, fault.message, fault.stage)))
        elif fault.kind == "cancel":
            ended.append(Outcome(run, cancelled=True))
    return ended, jobs, partial


def _fault(service: Service, run: sqlite3.Row) -> RunFault | None:
    if not service.plan.faults.runs:
        return None
    images = {name: Picture(**image) for name, image in json.loads(run["images"]).items()}
    kinds = frozenset({"fail", "cancel", "partial", "stuck", "slow", "unreadable"})
    return service.plan.for_run(names_of(run["model"], run["client_ref"], images), kinds)  # type: ignore[arg-type]


def _links_ended(service: Service, run: sqlite3.Row) -> bool:
    """Whether a link to an input ended before its turn came."""
    if service.api_variants.input_read != "run":
        return False
    ends = (image.get("ends_at") for image in json.loads(run["images"]).values())
    return any(end is not None and end <= service.clock() for end in ends)


def _develop(service: Service, run: sqlite3.Row) -> Outcome:
    """Process one run in this thread: read its files, call the model, store the results."""
    try:
        return _process(service, run)
    except ModelFailure as failure:
        return Outcome(run, failure=Failure(failure.code, failure.message, failure.stage))
    except ImportError as error:
        extras = extras_with([error.name or ""])
        message = f"{run['model']} needs {error.name or error}; install it with: pip install 'runflowd[{extras}]'"
        return Outcome(run, failure=Failure("DEPENDENCY_MISSING", message, "dispatch"))
    except Exception as error:
        logger.exception("run failed", extra={"action": "run_failed", "run_id": run["id"]})
        message = f"{run['model']} broke on this input: {type(error).__name__}: {error}"
        return Outcome(run, failure=Failure("INTERNAL_ERROR", message, "inference"))


def _process(service: Service, run: sqlite3.Row) -> Outcome:
    model = service.models.get(run["model"])
    if model is None:
        raise ModelFailure("MODEL_UNAVAILABLE", f"{run['model']} is no longer part of this service.", "dispatch")
    given, images = json.loads(run["input"]), json.loads(run["images"])
    model = bundled(model) if ZIP.name in images else model  # whatever the API variants say by now
    contents = {name: service.blobs.read(image["sha256"]) for name, image in images.items()}
    result = model.process(model.values(given), contents)
    known = {id(contents[name]): image["sha256"] for name, image in images.items()}
    made = tuple(_store(service, file, known) for file in result.files)
    ignored = unknown(model, given)
    notes = (f"Ignored inputs that this model does not have: {', '.join(ignored)}.",) if ignored else ()
    played = model.cost_of(sum(file.seconds for file in result.files))
    cost = to_micros(played) if model.unit == "second" else run["price"]
    return Outcome(run, made, (*result.notes, *notes), cost=cost)


def _store(service: Service, file: EncodedFile, known: dict[int, Any]) -> Stored:
    """Bytes that a model handed through unchanged are already stored, and hashed."""
    sha256 = known.get(id(file.data)) or service.blobs.write(file.data)
    return Stored(sha256, len(file.data), file.name, file.mime_type, file.width, file.height, file.seconds)
