"""Drops what the state file need not keep, a page at a time, while the daemon works."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio

from runflowd.store.retention import prune_steps, prune_stories, prune_uploads

if TYPE_CHECKING:
    from runflowd.pipeline.context import Context

INTERVAL = 86_400.0
"""Seconds between two rounds."""

CHECK_INTERVAL = 60.0
"""Seconds between two looks at whether it is time, and the service says that it is as late as this machine believes."""

PAUSE = 0.2
"""Seconds between two pages, in which others write."""


async def keep_small(context: Context) -> None:
    """Prune once a day, until cancelled. A clock that nobody confirms prunes nothing: it may be years ahead."""
    due = context.clock.now()
    while True:
        if context.clock.now() >= due and context.clock_is_confirmed():
            due = context.clock.now() + INTERVAL
            with context.log_store_errors("retention"):
                await _prune(context)
        await anyio.sleep(CHECK_INTERVAL)


async def _prune(context: Context) -> None:
    for prune in (prune_steps, prune_stories, prune_uploads):
        further = True
        while further:
            further = await context.store.write(partial(prune, now=context.clock.wall()))
            await anyio.sleep(PAUSE)
