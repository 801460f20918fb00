"""Carries out commands in the running daemon, for the control socket and for the page, over the store of the stages."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import structlog

from runflowd.control.command_context import CommandContext, Outside
from runflowd.control.registry import entry
from runflowd.pipeline.io_guard import Role
from runflowd.system import deadline
from runflowd.system.deadline import NoAnswer
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.config import Config
    from runflowd.control.command_context import Answer, Parameters
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection

log = structlog.get_logger()

MAX_READS = 100
"""Folders hinted at after a command; intake finds the others by itself."""


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands of the running daemon. `config` gives the configuration in force, `about` what it says of itself."""

    context: Context
    config: Callable[[], Config]
    about: Callable[[], Answer]

    async def __call__(self, name: str, parameters: Parameters, who: str = "") -> Answer:
        """The answer to one command, asked on the page by `who`, or "" over the socket.

        Raises `CommandRefused` and `NoAnswer`.
        """
        command, context = entry(name), self.context
        parameters = {**parameters, "who": who} if who else parameters
        handler, config, daemon = command.handler(), self.config(), self.about()

        def work(connection: Connection) -> Answer | Outside:
            now = context.clock.wall()
            return handler(CommandContext(connection, context.store.place, config, now, daemon), parameters)

        if not command.writes:
            return await self._whole(await context.store.read(work))
        answer = await self._whole(await context.store.write(work))
        reach("command.recorded")
        fields = _log_fields(parameters) | ({"who": who} if who else {})
        where = "on the page" if who else "over the control socket"
        log.info(f"asked for {where}", action=f"control.{name}", **fields)
        for row in await context.store.read(lambda connection: connection.all("requested_folders", limit=MAX_READS)):
            context.hints.add(row["rule"], os.fsdecode(row["dir"]))
        context.stage_events.notify_all()
        return answer

    async def _whole(self, found: Answer | Outside) -> Answer:
        """An answer with what folders say, which no other command and no stage waits for. Raises `NoAnswer`."""
        if not isinstance(found, Outside):
            return found
        guard = self.context.io
        folder = guard.watched(found.rule) if found.role is Role.WATCHED else guard.written(found.rule)
        with anyio.move_on_after(deadline.ANSWER_TIMEOUT):
            return await folder.read(found.look)
        raise NoAnswer(found.folder)


def _log_fields(parameters: Parameters) -> dict[str, Any]:
    """What was asked, for the log: short texts and flags, and the length of a list."""
    return {
        name: len(value) if isinstance(value, list) else value
        for name, value in parameters.items()
        if name in {"rule", "rules", "files", "everything", "patterns", "buy", "buy_again", "missing"}
    }
