"""The calls that deliveries make to folders, and which rules get no answer.

A rule whose output folder lies on a share whose server hangs keeps what it has bought, and delivers nothing
until the server is back. What waits for the server gives up its place, so the other rules go on meanwhile.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio

from runflowd.errors import RunflowdError
from runflowd.pipeline import io_guard
from runflowd.store.hosts import refusals_to_act
from runflowd.store.questions import Questions

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.core.model import Rule
    from runflowd.pipeline.io_guard import IoGuard
    from runflowd.store import Store
    from runflowd.store.claims import Claim, LeaseLost
    from runflowd.store.hosts import HostUnseen
    from runflowd.store.items import Item
    from runflowd.system.clock import Clock

T = TypeVar("T")


class OutputTimeout(RunflowdError):
    """A rule's deliveries get no answer, so nothing more is tried now."""

    remedy = (
        "Mend the server or the network behind its output folder, its `receipts`, or the one that `after` empties; "
        "what is paid for is delivered then, and the other rules go on meanwhile"
    )

    def __init__(self, rule: str) -> None:
        super().__init__(f"rule {rule}: deliveries get no answer from the disk")


class OutputIo:
    """Calls that the deliveries of each rule make to its folders."""

    def __init__(self, guard: IoGuard, store: Store, clock: Clock) -> None:
        self._guard = guard
        self._store = store
        self._clock = clock
        self._refusals = Questions(self._ask)

    def __repr__(self) -> str:
        return f"<OutputIo of {self._guard}>"

    async def run(self, rule: Rule, call: Callable[..., T], *given: object) -> T:
        """Run a blocking call of a rule's delivery. Raises `OutputTimeout` instead while earlier ones hang."""
        folder = self._guard.written(rule)
        if folder.unresponsive_for(self._clock.now()) >= io_guard.RESPONSE_TIMEOUT:
            raise OutputTimeout(rule.name)
        return await folder.write(call, *given)

    async def run_held(self, item: Item, rule: Rule, call: Callable[..., T], *given: object) -> T:
        """The same for names that are given or taken away in the name of an item.

        Raises `LeaseLost` or `HostUnseen` instead.
        """

        def held() -> T:
            # This thread may have been waited for, and the whole process stopped: the last moment to ask is now.
            refusal = self._refusals.answer(item.claim)
            if refusal is not None:
                raise refusal
            return call(*given)

        return await self.run(rule, held)

    def _ask(self, claims: list[Claim]) -> list[LeaseLost | HostUnseen | None]:
        session, now = self._store.owner, self._clock.wall()
        return self._store.read_here(partial(refusals_to_act, claims=claims, session=session, now=now), single=True)

    async def clean_up(self, rule: Rule, call: Callable[[], None]) -> None:
        """Run a blocking call that clears away what a delivery leaves, whatever that was ended by."""
        with anyio.CancelScope(shield=True):
            await self._guard.written(rule).write(call)
