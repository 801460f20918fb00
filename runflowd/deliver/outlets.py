"""The calls that deliveries make to folders, and which rules get no answer.

A rule whose output folder lies on a share whose server hangs keeps what it has bought, and delivers nothing
until the server is back. What waits for the server gives up its place, so the other rules go on meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

from runflowd.asking import PATIENCE, Asking
from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.clock import Clock
    from runflowd.core.model import Rule

T = TypeVar("T")


class Silent(RunflowdError):
    """A rule's deliveries get no answer, so nothing more is tried now."""

    remedy = (
        "Mend the server or the network behind its output folder, or behind the one that `after` empties; "
        "what is paid for is delivered then, and the other rules go on meanwhile"
    )

    def __init__(self, rule: str) -> None:
        super().__init__(f"rule {rule}: deliveries get no answer from the disk")


class Outlets:
    """What the deliveries of each rule still wait for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asking: dict[str, Asking] = {}

    def __repr__(self) -> str:
        return f"<Outlets, {', '.join(sorted(self.silent())) or 'none'} silent>"

    async def ask(self, rule: Rule, call: Callable[..., T], *given: object) -> T:
        """Run a blocking call of a rule's delivery. Raises `Silent` instead while earlier ones get no answer."""
        if self.is_silent(rule.name):
            raise Silent(rule.name)
        return await self._of(rule).ask(call, *given)

    async def tidy(self, rule: Rule, call: Callable[[], None]) -> None:
        """Run a blocking call that clears away what a delivery leaves, whatever that was ended by."""
        with anyio.CancelScope(shield=True):
            await self._of(rule).ask(call)

    def is_silent(self, rule: str) -> bool:
        """Whether an answer has been owed to a rule for a minute. To be asked every few seconds."""
        asking = self._asking.get(rule)
        return asking is not None and asking.silent_for(self._clock.now()) >= PATIENCE

    def silent(self) -> set[str]:
        """The rules of which `is_silent` holds."""
        return {rule for rule in self._asking if self.is_silent(rule)}

    def _of(self, rule: Rule) -> Asking:
        return self._asking.setdefault(rule.name, Asking(writes=True))
