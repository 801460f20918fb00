"""Reads the service's records, whichever of its documentation pages turns out to be true.

Each function takes decoded JSON and gives a frozen value. Absent, null, extra and absurd fields never
raise; only a record without the one thing it is for (an id, an upload address) does, as `Unreadable`.
Field names come from the API reference first, then from the guides and the service's own clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.api.envelopes import cursor, record, rows
from runflowd.api.outcomes import failure, status
from runflowd.api.scalars import Unreadable, count, currency, first, identifier, moment, money, shallow, text
from runflowd.api.values import Asset, Batch, CallbackSecret, Created, CreatedItem, Item, Page, Run, Status, Upload

if TYPE_CHECKING:
    from decimal import Decimal

    from runflowd.api.envelopes import Record
    from runflowd.core.model import Json


def _nested(one: Record, name: str) -> Record:
    value = one.get(name)
    return value if isinstance(value, dict) else {}


def _lean(row: Record) -> CreatedItem:
    state, word = status(row)
    return CreatedItem(_reference(row), identifier(row.get("run_id")), _sequence(row), state, word)


def _reference(*records: Record) -> str:
    return next((ref for one in records if (ref := text(one.get("client_ref")))), "")


def _sequence(row: Record) -> int | None:
    return count(first(row, "sequence_index", "sequence", "index"))


def created(body: Json) -> Created:
    """Read the answer of a create call: `id`, else `batch_id` or `run_id`, and the items if inlined."""
    one = record(body)
    return Created(_needed(one, "id", "batch_id", "run_id"), tuple(_lean(row) for row in _inlined(one)))


def _inlined(one: Record) -> list[Record]:
    return rows({"items": one.get("items")})


def _needed(one: Record, *names: str) -> str:
    found = next((value for name in names if (value := identifier(one.get(name)))), "")
    if not found:
        raise Unreadable(f"the answer has no usable {names[0]!r}")
    return found


def batch(body: Json) -> Batch:
    """Read a batch detail."""
    one = record(body)
    state, word = status(one)
    return Batch(
        id=_needed(one, "id", "batch_id"),
        status=state,
        word=word,
        total=count(first(one, "items_total", "total")),
        succeeded=count(first(one, "items_succeeded", "succeeded")),
        failed=count(first(one, "items_failed", "failed")),
        cancelled=count(first(one, "items_cancelled", "items_canceled", "cancelled")),
        items=tuple(_lean(row) for row in _inlined(one)),
        cost=money(one.get("cost")),
        failure=failure(one),
        currency=_currency(one),
    )


def _of_run(state: Status, output: Json) -> Status:
    """The status of a run or item. With a result, `partial_succeeded` is a success of which `is_partial` tells."""
    return Status.SUCCEEDED if state is Status.PARTIAL and output else state


def item(row: Record) -> Item:
    """Read one full batch item; what it lacks is taken from the run nested in it."""
    inner = _nested(row, "run")
    state, word = status(row, inner)
    output = _output(row, inner)
    return Item(
        client_ref=_reference(row, inner),
        run_id=identifier(row.get("run_id")) or identifier(inner.get("id")),
        sequence=_sequence(row),
        status=_of_run(state, output),
        word=word,
        output=output,
        cost=_cost(row, inner),
        failure=failure(inner, row),
        currency=_currency(row, inner),
    )


def _output(*records: Record) -> Json:
    return next((value for one in records if (value := one.get("output")) and shallow(value)), None)


def _cost(*records: Record) -> Decimal | None:
    return next((value for one in records if (value := money(one.get("cost"))) is not None), None)


def _currency(*records: Record) -> str:
    """In which currency a cost is; no source shows a field for it, so it is looked for where it may well be."""
    return currency(*records) or currency(*(_nested(one, "cost_breakdown") for one in records))


def page(body: Json) -> Page:
    """Read one page of batch items."""
    if not isinstance(body, dict | list):
        raise Unreadable("the answer is no list of items")
    return Page(tuple(item(row) for row in rows(body)), cursor(body))


def run(body: Json) -> Run:
    """Read one run."""
    one = record(body)
    state, word = status(one)
    output = _output(one)
    return Run(
        id=_needed(one, "id", "run_id"),
        batch_id=identifier(one.get("batch_id")),
        client_ref=_reference(one),
        status=_of_run(state, output),
        word=word,
        output=output,
        cost=_cost(one),
        failure=failure(one),
        currency=_currency(one),
        created_at=moment(one.get("created_at")),
    )


def runs(body: Json) -> tuple[tuple[Run, ...], str | None]:
    """Read a page of runs and the cursor of the next; rows without an id are dropped."""
    named = (row for row in rows(body) if identifier(row.get("id")) or identifier(row.get("run_id")))
    return tuple(run(row) for row in named), cursor(body)


def run_page(body: Json) -> tuple[tuple[Run, ...], str | None]:
    """The same of a list that must be one: nothing is concluded from an answer that has none."""
    found = first(body, "items", "data", "results", "runs") if isinstance(body, dict) else body
    if not isinstance(found, list | dict):
        raise Unreadable("the answer is no list of runs")
    return runs(body)


def upload(body: Json) -> Upload:
    """Read an upload session."""
    one = record(body)
    url = text(first(one, "upload_url", "url"))
    if not url:
        raise Unreadable("the answer has no 'upload_url'")
    return Upload(_needed(one, "asset_id", "id"), url)


def asset(body: Json) -> Asset:
    """Read an asset; its `url` may be empty."""
    one = record(body)
    return Asset(_needed(one, "id", "asset_id"), text(one.get("url")))


def callback_secret(body: Json) -> CallbackSecret:
    """Read a new callback secret, whose text is shown this once."""
    one = record(body)
    secret = text(first(one, "plain_secret", "secret"))
    if not secret:
        raise Unreadable("the answer has no 'plain_secret'")
    return CallbackSecret(_needed(one, "id"), secret)
