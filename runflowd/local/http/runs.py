"""Runs: create one, read it, search, read its log."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.routing import Route

from runflowd.local.http.admission import MAX_CLIENT_REF, Entry, admit, check_callback_url, check_credit, run_row
from runflowd.local.http.answers import answer, checked, created, read_body, service_of, shapes
from runflowd.local.http.bodies import refused_fields
from runflowd.local.http.errors import invalid, not_found, problem
from runflowd.local.http.idempotency import once
from runflowd.local.http.paging import envelope, select
from runflowd.local.http.shapes import TERMINAL
from runflowd.local.identity import parse_id, timestamp

if TYPE_CHECKING:
    import sqlite3

    from starlette.requests import Request
    from starlette.responses import Response

TERM = re.compile(r"(\w+)(?:\.EQ:'((?:[^']|'')*)'|:([^\s']+))", re.ASCII | re.IGNORECASE)
"""`field.EQ:'value'`, which shipped clients send, or `field:value` of the concept page."""

MAX_QUERY = 1_000
"""Characters of a filter; the time that reading it takes grows with their square."""

COLUMNS = {"id": "id", "client_ref": "client_ref", "status_code": "status", "batch_id": "batch_id"}
STATUSES = ("queued", "dispatching", "running", "succeeded", "partial_succeeded", "failed", "canceled")


CLIENTS, CONCEPT = "field.EQ:'value'", "field:value"
SPELLINGS = {"both": (CLIENTS, CONCEPT), "clients": (CLIENTS,), "concept": (CONCEPT,)}
"""Reading -> the spellings of a term that it takes."""


class RunBody(BaseModel):
    """What a new run is made of."""

    model_config = ConfigDict(strict=True)

    input: dict[str, Any]
    metadata: dict[str, Any] | None = None
    callback_url: Annotated[str, Field(max_length=2048)] | None = None
    client_ref: Annotated[str, Field(max_length=MAX_CLIENT_REF)] | None = None


async def create_run(request: Request) -> Response:
    """POST /v1/models/{owner}/{slug}/runs."""
    service = service_of(request)
    raw = await read_body(request)
    one_time = once(request, service, raw, batch=False)
    stored = one_time.replay()
    if stored is None:
        model = service.model("{owner}/{slug}".format(**request.path_params))
        body = checked(raw, RunBody, refused=partial(refused_fields, service.api_variants, batch=False))
        check_callback_url(body.callback_url)
        (admitted,) = await admit(service, model, [Entry(("body", "input"), body.input, body.client_ref)])
        if admitted.problems:
            raise invalid(admitted.problems)
        with service.storage.transaction():
            stored = one_time.replay()
            if stored is None:
                check_credit(service, model, [admitted])
                row = run_row(service, model, admitted, request.state.request_id)
                row["metadata"] = json.dumps(body.metadata) if body.metadata is not None else None
                row["callback_url"] = body.callback_url
                service.storage.insert("runs", [row])
                made = service.find("runs", "run", row["id"])
                stored = shapes(request).run(made)
                one_time.remember(stored)
        service.work.set()
    return created(request, stored)


async def read_run(request: Request) -> Response:
    """GET /v1/runs/{id}."""
    service = service_of(request)
    row = service.find("runs", "run", request.path_params["id"])
    return answer(request, shapes(request).run(row))


async def search_runs(request: Request) -> Response:
    """GET /v1/runs, newest first unless `sort_by=created_at:asc`."""
    service = service_of(request)
    conditions, values = _conditions(request.query_params.get("q", ""), service.api_variants.filter)
    where = " AND ".join(["number > 0", *conditions])
    descending = request.query_params.get("sort_by") != "created_at:asc"
    sql = f"SELECT * FROM runs WHERE {where}"  # noqa: S608 - columns come from COLUMNS
    rows, cursors = select(request, sql, tuple(values), "number", descending=descending)
    shown = shapes(request)
    return answer(request, envelope(request, [shown.run(row) for row in rows], cursors))


def _conditions(query: str, reading: str) -> tuple[list[str], list[str | None]]:
    """The filter as SQL conditions and their values. Raises 422 for what is not understood."""
    conditions: list[str] = []
    values: list[str | None] = []
    if reading == "ignored":
        return conditions, values
    if len(query) > MAX_QUERY:
        raise invalid([problem(("query", "q"), f"A filter has at most {MAX_QUERY} characters")])
    for term in re.split(r"\s+AND\s+", query.strip()) if query.strip() else []:
        found = TERM.fullmatch(term.strip())
        if found is None or found[1] not in COLUMNS or _spelling(found) not in SPELLINGS[reading]:
            known = ", ".join(COLUMNS)
            message = f"Write {' or '.join(SPELLINGS[reading])}, joined by AND; fields are {known}"
            raise invalid([problem(("query", "q"), message)])
        value = found[2].replace("''", "'") if found[2] is not None else found[3]
        conditions.append(f"{COLUMNS[found[1]]} = ?")
        values.append(parse_id(value) if found[1] in {"id", "batch_id"} else value)
    return conditions, values


def _spelling(term: re.Match[str]) -> str:
    return CLIENTS if term[2] is not None else CONCEPT


async def list_statuses(request: Request) -> Response:
    """GET /v1/runs/statuses."""
    items = [{"code": code, "is_terminal": code in TERMINAL} for code in STATUSES]
    return answer(request, {"items": items})


async def list_logs(request: Request) -> Response:
    """GET /v1/runs/{run_id}/logs: what the model understood, changed and ignored."""
    service = service_of(request)
    run = service.find("runs", "run", request.path_params["run_id"])
    rows, cursors = select(request, "SELECT * FROM logs WHERE run_id = ?", (run["id"],), "number")
    return answer(request, envelope(request, [_log(row) for row in rows], cursors))


async def read_log(request: Request) -> Response:
    """GET /v1/runs/{run_id}/logs/{id}."""
    service = service_of(request)
    run = service.find("runs", "run", request.path_params["run_id"])
    row = service.find("logs", "log", request.path_params["id"])
    if row["run_id"] != run["id"]:
        raise not_found("log", row["id"])
    return answer(request, _log(row))


def _log(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "run_id": row["run_id"],
        "level_code": row["level"],
        "message": row["message"],
        "timestamp": timestamp(row["created_at"]),
        "meta": None,
        "run": None,
    }


ROUTES = [
    Route("/v1/models/{owner}/{slug:path}/runs", create_run, methods=["POST"]),
    Route("/v1/runs", search_runs, methods=["GET"]),
    Route("/v1/runs/statuses", list_statuses, methods=["GET"]),
    Route("/v1/runs/{id}", read_run, methods=["GET"]),
    Route("/v1/runs/{run_id}/logs", list_logs, methods=["GET"]),
    Route("/v1/runs/{run_id}/logs/{id}", read_log, methods=["GET"]),
]
