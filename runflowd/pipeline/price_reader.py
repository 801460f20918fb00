"""Asks the catalogue what models cost, before the first purchase of a rule that has limits or waits for an approval."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
import structlog

from runflowd.api.errors import ApiError
from runflowd.core.approval import APPROVAL_NEEDED
from runflowd.core.model import LOCAL
from runflowd.store.prices import REFRESH, age_of_pricing, save_pricing

if TYPE_CHECKING:
    from runflowd.core.model import Rule
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection

log = structlog.get_logger()

RETRY_INTERVAL = 300.0
"""Seconds until a price that could not be had is asked for again."""

CHECK_INTERVAL = 5.0
"""Seconds between two looks at whether another rule has limits now."""


class PriceReader:
    """Keeps what the catalogue says of the models whose price counts. Nothing waits for it but first purchases."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._failed_at: dict[str, float] = {}

    async def run(self) -> None:
        """Ask whenever a price is due, until cancelled."""
        while True:
            with self._context.log_store_errors("prices"):
                for model in await self._due():
                    await self._ask(model)
            await anyio.sleep(CHECK_INTERVAL)

    async def _due(self) -> list[str]:
        """The models that are to be asked about now."""
        context, now = self._context, self._context.clock.now()
        asking = {each.scope.name for each in context.incidents.snapshot() if each.code == APPROVAL_NEEDED}
        rules = [rule for rule in context.rules.values() if rule.name in asking or needs_price(context, rule)]
        wanted = {rule.model for rule in rules}
        tried = {model for model, at in self._failed_at.items() if now - at < RETRY_INTERVAL}
        ages = partial(_ages, service=context.service.name, models=wanted - tried, now=context.clock.wall())
        found = await context.store.read(ages) if wanted - tried else {}
        context.priced.update(model for model, age in found.items() if age < REFRESH)
        return sorted(model for model, age in found.items() if age >= REFRESH)

    async def _ask(self, model: str) -> None:
        context = self._context
        try:
            rules = await context.service.api.pricing(model)
        except ApiError as error:
            self._failed_at[model] = context.clock.now()
            context.log_throttle.warning(str(error), action="price.failed", model=model)
        else:
            service, now = context.service.name, context.clock.wall()
            await context.store.write(partial(save_pricing, service=service, model=model, rules=rules, now=now))
            log.info("read the price", action="price.read", model=model, rules=len(rules))
        context.priced.add(model)
        context.stage_events.intake.notify()


def needs_price(context: Context, rule: Rule) -> bool:
    """Whether what the catalogue says of a rule's model decides what is bought: the rule has no price of its own."""
    return context.service.name != LOCAL and context.money.needs_price(rule.name)


def _ages(connection: Connection, service: str, models: set[str], now: float) -> dict[str, float]:
    return {model: age_of_pricing(connection, service, model, now) for model in models}
