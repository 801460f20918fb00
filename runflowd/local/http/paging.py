"""Lists: cursor, limit, projection, and the envelopes that sources describe.

A cursor names the last row's number and a direction, so rows added meanwhile shift nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runflowd.local.http.answers import base_url, service_of
from runflowd.local.http.errors import invalid, problem

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from starlette.requests import Request

CURSOR = re.compile(r"(after|before)-(-?\d{1,18})", re.ASCII)

SMALL = 2
"""Records on a page under `page_size: small`."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a list request asks for. `key` is the row to go on from, None at the start."""

    limit: int
    key: int | None
    backwards: bool


def wanted(request: Request) -> Page:
    """The page that the query string asks for. Raises 422."""
    query = request.query_params
    limit = query.get("limit", "50")
    if not re.fullmatch(r"\d{1,9}", limit, re.ASCII) or not 1 <= int(limit) <= 500:
        raise invalid([problem(("query", "limit"), "Input should be an integer from 1 to 500")])
    cursor = CURSOR.fullmatch(query["pq"]) if query.get("pq") else None
    if query.get("pq") and cursor is None:
        raise invalid([problem(("query", "pq"), "This is no cursor that this service gave out")])
    backwards = (cursor is not None and cursor[1] == "before") or query.get("from_prev") == "true"
    most = SMALL if service_of(request).api_variants.page_size == "small" else int(limit)
    return Page(min(int(limit), most), int(cursor[2]) if cursor else None, backwards)


def select(
    request: Request, sql: str, values: tuple[Any, ...], column: str, *, descending: bool = False
) -> tuple[list[sqlite3.Row], dict[str, str | None]]:
    """Run `sql` (which ends in a WHERE clause) for the page asked for; return rows and cursors.

    `column` is the unique integer that orders the list.
    """
    page = wanted(request)
    falling = descending != page.backwards
    if page.key is not None:
        sql, values = f"{sql} AND {column} {'<' if falling else '>'} ?", (*values, page.key)
    order = "DESC" if falling else "ASC"
    found = service_of(request).storage.all(f"{sql} ORDER BY {column} {order} LIMIT ?", *values, page.limit + 1)
    rows, more = found[: page.limit], len(found) > page.limit
    if page.backwards:
        rows.reverse()
    has_next, has_previous = (True, more) if page.backwards else (more, page.key is not None)
    name = column.rpartition(".")[2]
    return rows, {
        "next": f"after-{rows[-1][name]}" if rows and has_next else None,
        "previous": f"before-{rows[0][name]}" if rows and has_previous else None,
    }


def envelope(request: Request, items: list[dict[str, Any]], cursors: dict[str, str | None]) -> dict[str, Any]:
    """The list in the envelope of the reading in force, each item cut down to `fields=` if asked."""
    fields = {name.strip() for name in request.query_params.get("fields", "").split(",")} - {""}
    shown = [{key: value for key, value in item.items() if key in fields} for item in items] if fields else items
    return {"items": shown, **ENVELOPES[service_of(request).api_variants.list_envelope](request, cursors)}


def _reference(request: Request, cursors: dict[str, str | None]) -> dict[str, Any]:  # noqa: ARG001 - see ENVELOPES
    return {"first": None, "next": cursors["next"], "previous": cursors["previous"]}


def _concept(request: Request, cursors: dict[str, str | None]) -> dict[str, Any]:  # noqa: ARG001 - see ENVELOPES
    return {"next_pq": cursors["next"], "prev_pq": cursors["previous"]}


def _both(request: Request, cursors: dict[str, str | None]) -> dict[str, Any]:
    return {**_reference(request, cursors), **_concept(request, cursors)}


def _url(request: Request, cursors: dict[str, str | None]) -> dict[str, Any]:
    def link(cursor: str | None) -> str | None:
        query = request.url.include_query_params(pq=cursor).query
        return f"{base_url(request)}{request.url.path}?{query}" if cursor else None

    return {"first": None, "next": link(cursors["next"]), "previous": link(cursors["previous"])}


ENVELOPES: dict[str, Callable[[Request, dict[str, str | None]], dict[str, Any]]] = {
    "reference": _reference,
    "concept": _concept,
    "both": _both,
    "url": _url,
}
