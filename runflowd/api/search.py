"""The runs that were made with a `client_ref`, from a search that is documented in two spellings; and all runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.api import calls, parse
from runflowd.api.errors import Permanent, Place, Rejected, Unsafe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runflowd.api.session import Session
    from runflowd.api.values import Run

_PAGES = 4


async def find_runs(session: Session, client_ref: str) -> tuple[Run, ...]:
    """Return the runs created with exactly this `client_ref`, which holds neither quote nor space.

    The filter is spelled as shipped clients do; where that is refused, as the concept page does.
    """
    assert not set("' ") & set(client_ref)
    try:
        return await _found(session, client_ref, f"client_ref.EQ:'{client_ref}'")
    except Rejected:
        return await _found(session, client_ref, f"client_ref:{client_ref}")


async def _found(session: Session, client_ref: str, filter_: str) -> tuple[Run, ...]:
    found: list[Run] = []
    query = {"q": filter_, "limit": "100"}
    for _ in range(_PAGES):
        runs, cursor = await session.call(calls.RUNS, parse.runs, "runs", query=query)
        # A server that ignores the filter answers with everybody's runs.
        found += [run for run in runs if run.client_ref == client_ref]
        if cursor is None or cursor == query.get("pq"):
            break
        query["pq"] = cursor
    return tuple(found)


MAX_PAGES = 10_000
"""Pages after which a list that has no end is given up: a million runs."""

_SIZES = (100, 10, 1)
"""Runs asked for at once. Inputs and results that are sent inline can make a page of 100 too large to take."""


async def every_run(session: Session) -> AsyncIterator[tuple[Run, ...]]:
    """Give all runs that the key may see, page by page, each run once.

    Raises `Permanent` for a list that goes round in circles or never ends.
    """
    cursor: str | None = None
    cursors: set[str] = set()
    known: set[str] = set()
    for _ in range(MAX_PAGES):
        runs, cursor = await _page(session, cursor)
        fresh = tuple({run.id: run for run in runs if run.id not in known}.values())
        known.update(run.id for run in fresh)
        yield fresh
        if cursor is None:
            return
        if cursor in cursors or not fresh:
            raise _endless(session, "its list of runs goes round in circles: a page leads to one that was read already")
        cursors.add(cursor)
    raise _endless(session, f"its list of runs has no end: {MAX_PAGES:,} pages were read")


async def _page(session: Session, cursor: str | None) -> tuple[tuple[Run, ...], str | None]:
    for size in _SIZES:
        query = {"limit": str(size)} | ({"pq": cursor} if cursor else {})
        try:
            return await session.call(calls.RUNS, parse.run_page, "runs", query=query)
        except Unsafe as refused:
            if refused.code != "TOO_LARGE" or size == _SIZES[-1]:
                raise
    raise AssertionError  # the last size returns or raises


def _endless(session: Session, message: str) -> Permanent:
    return Permanent(Place(calls.RUNS.action, session.host), code="UNREADABLE", message=message)
