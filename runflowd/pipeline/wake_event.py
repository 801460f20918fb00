"""Wake-ups between stages: an event says "check the store now" and carries no data.

A notification may be lost, doubled or late without harm, since every waiter checks the store anyway
when its deadline comes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio


class WakeEvent:
    """Wakes one loop. Notifications that come while the loop works count as one."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def notify(self) -> None:
        """Wake the waiter, now or at its next wait. Call from the event loop only."""
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for a notification, at most `seconds`; say whether one came."""
        with anyio.move_on_after(max(0.0, seconds)):
            await self._event.wait()
        notified = self._event.is_set()
        self._event = anyio.Event()
        return notified


@dataclass(frozen=True, slots=True)
class StageEvents:
    """One wake event per stage; the only thing that stages share besides the store."""

    intake: WakeEvent = field(default_factory=WakeEvent)
    dispatch: WakeEvent = field(default_factory=WakeEvent)
    track: WakeEvent = field(default_factory=WakeEvent)
    deliver: WakeEvent = field(default_factory=WakeEvent)

    def notify_all(self) -> None:
        """Let every stage check the store, after a reload or a long gap."""
        for wake_event in (self.intake, self.dispatch, self.track, self.deliver):
            wake_event.notify()
