"""Reading the items of a batch, while it runs and once it has ended: no more pages than are worth it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.api.errors import ApiError
from runflowd.api.values import Item as Answer
from runflowd.api.values import Status
from runflowd.core.lifecycle import ItemState
from runflowd.core.newly_ended import newly_ended
from runflowd.core.results import Matched, match
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from runflowd.api.client import Runflow
    from runflowd.api.values import Batch as SeenBatch
    from runflowd.store.items import Item

MAX_PAGES = 200


def wanted(seen: SeenBatch, items: list[Item], waiting: list[Item]) -> frozenset[str] | None:
    """The references of the items that are worth reading now; None for all of them."""
    if seen.ended:
        return frozenset(item.client_ref for item in waiting)
    return newly_ended(items, waiting, [row for row in seen.items if row.word], seen.items_ended)


async def read_items(
    api: Runflow, batch: str, items: list[Item], references: frozenset[str] | None
) -> tuple[Matched[Item, Answer], ApiError | None]:
    """What the service says of the items of a batch: page by page until all of `references` have ended.

    None reads every page. An error ends it, and is given along with what the pages before it said.
    """
    answers: list[Answer] = []
    matched: Matched[Item, Answer] = match(items, answers)
    trouble: ApiError | None = None
    cursor: str | None = None
    seen: set[str | None] = set()
    while (references is None or not references <= _ended(matched)) and cursor not in seen and len(seen) < MAX_PAGES:
        seen.add(cursor)
        try:
            page = await api.items(batch, cursor)
        except ApiError as error:
            trouble = error
            break
        answers += page.items
        matched = match(items, answers)
        cursor = page.next
        if cursor is None:
            break
    if answers:
        reach("results.read")
    return matched, trouble


def is_new(item: Item, answer: Answer) -> bool:
    """Whether an answer changes what is on record; a failure may turn into a result as long as its batch runs."""
    if item.state is ItemState.FAILED:
        return answer.status is Status.SUCCEEDED
    return item.state is ItemState.SUBMITTED and answer.status.ended


def _ended(matched: Matched[Item, Answer]) -> set[str]:
    return {item.client_ref for item, answer in matched.pairs if answer.status.ended}
