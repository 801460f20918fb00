"""The runs that were made with a `client_ref`, from a search whose spelling the documentation disagrees about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.api import calls, parse
from runflowd.api.errors import Rejected

if TYPE_CHECKING:
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
