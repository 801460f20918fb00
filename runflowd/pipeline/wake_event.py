"""Hints between stages: a bell says "look now" and carries no fact.

A ring may be lost, doubled or late without harm, since every waiter looks at the store anyway
when its deadline comes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio


class WakeEvent:
    """Wakes one loop. Rings that come while the loop works are kept as one."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def notify(self) -> None:
        """Wake the waiter, now or at its next wait. Call from the event loop only."""
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for a ring, at most `seconds`; say whether one came."""
        with anyio.move_on_after(max(0.0, seconds)):
            await self._event.wait()
        rung = self._event.is_set()
        self._event = anyio.Event()
        return rung


@dataclass(frozen=True, slots=True)
class StageEvents:
    """One bell per stage; the only thing that stages share besides the store."""

    intake: WakeEvent = field(default_factory=WakeEvent)
    dispatch: WakeEvent = field(default_factory=WakeEvent)
    track: WakeEvent = field(default_factory=WakeEvent)
    deliver: WakeEvent = field(default_factory=WakeEvent)

    def notify_all(self) -> None:
        """Let every stage look at the facts, after a reload or a long gap."""
        for bell in (self.intake, self.dispatch, self.track, self.deliver):
            bell.notify()
