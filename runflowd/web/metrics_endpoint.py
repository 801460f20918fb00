"""GET /metrics: what the state file and the daemon say, for Prometheus."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import Response

from runflowd.core.incident_scope import ScopeKind
from runflowd.observability.metrics import CONTENT_TYPE, Metrics, Reading
from runflowd.store.metrics_query import bought_since, take_measures

if TYPE_CHECKING:
    from starlette.requests import Request

    from runflowd.store import Connection
    from runflowd.store.metrics_query import Measures
    from runflowd.web.page_state import PageState

PAGE_OF_BOUGHT = 5000
OVERLAP = 120.0
"""Seconds read twice: an item's end is dated before it is written."""


class MetricsEndpoint:
    """Counts from the start of the daemon to its end."""

    def __init__(self, state: PageState) -> None:
        self._state = state
        self._metrics = Metrics()
        self._started = self._counted_until = state.context.clock.wall()
        self.count_callback = self._metrics.count_callback

    async def scrape(self, _: Request) -> Response:
        """GET /metrics: Prometheus text."""
        state = self._state
        await self._count_bought()
        now = state.context.clock.wall()

        def read(connection: Connection) -> Measures:
            return take_measures(connection, state.context.money, now)

        measures = await state.context.store.read(read)
        watch = state.watch()
        reading = Reading(
            measures=measures,
            traffic=state.context.service.api.snapshot(),
            pace=state.context.service.api.pace(),
            rules=tuple(state.context.rules),
            now=now,
            config_good=not any(each.scope.kind is ScopeKind.CONFIG for each in state.context.incidents.snapshot()),
            config_taken=state.config_taken,
            overflows=watch.overflows,
            unwatched=watch.problems,
            missed=watch.missed,
        )
        return Response(self._metrics.text(reading), media_type=CONTENT_TYPE)

    async def _count_bought(self) -> None:
        """Read on from where the last scrape ended; a clock that was set back is followed."""
        now = self._state.context.clock.wall()
        since = min(self._counted_until, now)
        while True:
            currency = self._state.context.money.currency
            query = partial(bought_since, since=since, limit=PAGE_OF_BOUGHT, currency=currency)
            found = await self._state.context.store.read(query)
            self._metrics.count_bought(found)
            if len(found) < PAGE_OF_BOUGHT or found[-1].ended_at <= since:
                break
            since = found[-1].ended_at
        self._counted_until = max(self._started, now - OVERLAP)
