"""What the web listener is given to show and to do; the daemon makes one."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from runflowd.observability.status import take_status
from runflowd.pipeline.wake_event import WakeEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runflowd.config import Config
    from runflowd.observability.status import Status
    from runflowd.pipeline.context import Context

SHOWN = 20
"""Failures, and waiting files, on the page."""

STAGES = ("intake", "dispatch", "track", "deliver")


@dataclass(frozen=True, slots=True)
class WatchHealth:
    """How often file events were lost since the start, for how many reasons none come now, and files none announced."""

    overflows: int = 0
    problems: int = 0
    missed: int = 0


class Commands(Protocol):
    """What the commands of runflowd ask of the daemon, asked on the page: `runflowd.control`, which stands above."""

    async def __call__(self, name: str, parameters: Mapping[str, Any], who: str) -> dict[str, Any]:
        """The answer to one command that `who` asks for.

        Raises `RunflowdError` with what to do where it cannot be done as asked.
        """


@dataclass(slots=True)
class PageState:
    """Views of the running daemon. `config` gives the configuration in force, `is_alive` whether all stages turn.

    `reloaded` wakes whoever follows the configuration. `token` is in every form of the page and in nobody else's;
    `config_taken` is epoch seconds.
    """

    context: Context
    config: Callable[[], Config]
    is_alive: Callable[[], bool]
    commands: Commands
    watch: Callable[[], WatchHealth] = WatchHealth
    reloaded: WakeEvent = field(default_factory=WakeEvent)
    stopping: bool = False
    config_taken: float = 0.0
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def unready(self) -> list[str]:
        """Why the daemon is not at its full work; empty when it is."""
        reasons = ["it is stopping"] if self.stopping else []
        reasons += [f"{stage} has not begun" for stage in STAGES if stage not in self.context.heartbeats]
        return reasons if reasons or self.is_alive() else ["a stage does not turn any more"]

    async def status(self, *, grouped: bool = False) -> Status:
        """How things stand, from the state file; if `grouped`, with failures by cause."""
        context, config, now = self.context, self.config().essentials, self.context.clock.wall()
        found = await context.store.read(
            lambda connection: take_status(connection, context.store.place, config, now, SHOWN, grouped=grouped)
        )
        return replace(found, pid=os.getpid())
