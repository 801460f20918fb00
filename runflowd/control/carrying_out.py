"""Carries out commands in the running daemon, for the control socket and for the page, over the store of the stages."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import structlog

from runflowd.api.catalog import declared_inputs
from runflowd.api.errors import ApiError
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
    from runflowd.core.declared import Declared
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection

log = structlog.get_logger()

DECLARED_TIMEOUT = 3.0
"""Seconds that the service has to say what a model takes; a person waits for that."""

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
        handler, config, daemon = command.handler(), self.config().essentials, self.about()
        declared = await self._declared(parameters) if command.of_model else ()
        # A copy: the daemon goes on with its own while the answer is made in another thread.
        settling = {name: tuple(paths) for name, paths in context.settling.items()} if command.of_settling else None

        def within(connection: Connection) -> CommandContext:
            place, now = context.store.place, context.clock.wall()
            return CommandContext(connection, place, config, now, daemon, declared, settling)

        def work(connection: Connection) -> Answer | Outside:
            return handler(within(connection), parameters)

        found = await (context.store.write(work) if command.writes else context.store.read(work))
        answer = await self._whole(found, within)
        if not command.writes:
            return answer
        reach("command.recorded")
        fields = _log_fields(parameters) | ({"who": who} if who else {})
        where = "on the page" if who else "over the control socket"
        log.info(f"asked for {where}", action=f"control.{name}", **fields)
        for row in await context.store.read(lambda connection: connection.all("requested_folders", limit=MAX_READS)):
            context.hints.add(row["rule"], os.fsdecode(row["dir"]))
        context.stage_events.notify_all()
        return answer

    async def _declared(self, parameters: Parameters) -> tuple[Declared, ...]:
        """What the service declares of the model of the rule that is meant; nothing where it does not say in time."""
        rule = self.context.rules.get(str(parameters.get("rule")))
        if rule is None:
            return ()
        with anyio.move_on_after(DECLARED_TIMEOUT), suppress(ApiError):
            return declared_inputs(await self.context.service.api.model(rule.model))
        return ()

    async def _whole(self, found: Answer | Outside, within: Callable[[Connection], CommandContext]) -> Answer:
        """An answer with what folders say, which no other command and no stage waits for. Raises `NoAnswer`."""
        if not isinstance(found, Outside):
            return found
        guard = self.context.io
        folder = guard.watched(found.rule) if found.role is Role.WATCHED else guard.written(found.rule)
        with anyio.move_on_after(deadline.ANSWER_TIMEOUT):
            looked = await folder.read(found.look)
            then = found.then
            return looked if then is None else await self.context.store.read(lambda each: then(within(each), looked))
        raise NoAnswer(found.folder)


def _log_fields(parameters: Parameters) -> dict[str, Any]:
    """What was asked, for the log: short texts and flags, and the length of a list."""
    return {
        name: len(value) if isinstance(value, list) else value
        for name, value in parameters.items()
        if name in {"rule", "rules", "files", "everything", "patterns", "buy", "buy_again", "missing"}
    }
