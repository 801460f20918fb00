"""A charge above what was expected is entered as it is, and said: limits were held against too low a price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.incident_scope import ScopeKind
from runflowd.core.model import LOCAL
from runflowd.observability.incidents import IncidentReport

if TYPE_CHECKING:
    from runflowd.api.values import Item as Answer
    from runflowd.pipeline.context import Context
    from runflowd.store.batches import Batch
    from runflowd.store.items import Item

ABOVE_ESTIMATE = "ABOVE_ESTIMATE"


async def report_prices(context: Context, batch: Batch, results: list[tuple[Item, Answer]]) -> None:
    """Report the dearest of these results if it cost more than was reserved for it; once none does, that is over."""
    if batch.service == LOCAL:
        return
    priced = [
        (answer.cost, item)
        for item, answer in results
        if answer.cost is not None and item.estimate_high is not None and answer.cost > 0
    ]
    above = [(cost, item) for cost, item in priced if cost > (item.estimate_high or 0)]
    if above:
        cost, item = max(above, key=lambda pair: pair[0])
        await context.incidents.report(_report(batch, cost, item))
    elif priced:
        await context.incidents.resolve_for_all(ScopeKind.PRICE.of(batch.rule))


def _report(batch: Batch, cost: object, item: Item) -> IncidentReport:
    return IncidentReport(
        ScopeKind.PRICE.of(batch.rule),
        ABOVE_ESTIMATE,
        f"rule {batch.rule}: {batch.model} charged {cost} for a file that was expected to cost up to "
        f"{item.estimate_high}; limits were held against too low a price",
        f"Correct `price` of rule {batch.rule}; without one, later files are expected to cost as much",
    )
