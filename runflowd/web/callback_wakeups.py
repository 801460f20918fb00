"""From verified callbacks to due batches: gathered, written in one transaction, and tried again for a moment.

A callback often arrives while its batch is being polled, and that poll may have read the moment before
the end. Its hint is kept until the batch is free. Everything here may be lost: the poll comes anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from runflowd.errors import StoreError
from runflowd.pipeline.wake_event import WakeEvent
from runflowd.store.due_updates import PollHint, wake

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.api.callback_signature import Hint
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection

log = structlog.get_logger()

MAX_PENDING = 1024
"""Hints kept at once; what comes beyond them is left to the poll."""

AGAIN = 0.2
"""Seconds between two tries while a batch is being polled."""

TRIES = 300
"""A minute of tries; a poll that takes longer has read the end."""

IDLE = 15.0

PERIOD = 1.0
"""Seconds between two polls of a batch that callbacks ask for: a true one can be sent again and again by anybody."""


class CallbackPoller:
    """Takes hints at once and works on them in a task of its own."""

    def __init__(self, context: Context, count: Callable[[str], None], turn: Callable[[], None]) -> None:
        self._context = context
        self._count = count
        self._turn = turn
        self._wake_event = WakeEvent()
        self._pending: dict[Hint, int] = {}
        self._polled: dict[str, float] = {}
        """By batch, when callbacks last had it polled or will have it polled next; epoch seconds."""

    def __repr__(self) -> str:
        return f"<CallbackPoller {len(self._pending)} pending>"

    def take(self, hint: Hint) -> bool:
        """Remember a hint; False when there are too many, or it is known already."""
        if hint in self._pending or len(self._pending) >= MAX_PENDING:
            return False
        self._pending[hint] = 0
        self._wake_event.notify()
        return True

    async def run(self) -> None:
        """Turn until cancelled."""
        while True:
            waiting = any(tries == 0 for tries in self._pending.values())
            if not waiting:
                await self._wake_event.wait(AGAIN if self._pending else IDLE)
            self._turn()
            if self._pending:
                await self._wake()

    async def _wake(self) -> None:
        taken, self._pending = self._pending, {}
        now = self._context.clock.wall()
        self._polled = {batch: at for batch, at in self._polled.items() if abs(now - at) < PERIOD}

        def due(batch: str) -> float:
            last = self._polled.get(batch)
            if last is None:
                self._polled[batch] = now
                return 0.0
            if last <= now:
                self._polled[batch] = last + PERIOD
            return self._polled[batch]

        def work(connection: Connection) -> dict[Hint, PollHint]:
            return {hint: wake(connection, hint.batch, hint.run, due) for hint in taken}

        try:
            outcomes = await self._context.store.write(work)
        except StoreError as error:
            log.warning(str(error), action="callback.dropped", count=len(taken))
            return
        for hint, outcome in outcomes.items():
            if outcome is PollHint.HELD and taken[hint] < TRIES:
                self._pending.setdefault(hint, taken[hint] + 1)
            else:
                self._count(outcome)
        if PollHint.WOKEN in outcomes.values():
            self._context.stage_events.track.notify()
