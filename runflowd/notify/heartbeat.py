"""A sign of life for a monitor that rings when it stays away: given only while every stage works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import structlog

from runflowd.pipeline.error_scopes import unexpected

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.api.hooks import Hooks
    from runflowd.pipeline.context import Context

log = structlog.get_logger()

CHECK_INTERVAL = 5.0
"""Seconds between two looks whether the configuration asks for something else."""


class Heartbeats:
    """Calls the address at its times. A call that fails is logged once, until one gets through."""

    def __init__(self, context: Context, is_alive: Callable[[], bool], hooks: Hooks) -> None:
        self._context = context
        self._is_alive = is_alive
        self._hooks = hooks
        self._due = 0.0
        self._failing = False

    async def run(self) -> None:
        """Turn until cancelled."""
        while True:
            wanted = self._context.incidents.notify.heartbeat
            now = self._context.clock.now()
            if wanted and self._due <= now and self._is_alive():
                self._due = now + wanted.every
                await self._call(wanted.url)
            left = max(self._due - self._context.clock.now(), min(1.0, wanted.every)) if wanted else CHECK_INTERVAL
            await anyio.sleep(min(left, CHECK_INTERVAL))

    async def _call(self, url: str) -> None:
        try:
            await self._hooks.get("give the sign of life", url)
        except Exception as error:
            if not self._failing:
                log.warning(str(error), action="heartbeat.failed", exc_info=unexpected(error))
            self._failing = True
            return
        if self._failing:
            log.info("the sign of life gets through again", action="heartbeat.resolved")
        self._failing = False
