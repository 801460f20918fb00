"""What this host has of the folders of its rules, asked again and again: each rule by itself, as a share may hang."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import anyio
import structlog

from runflowd.core.fleet import RuleFacts
from runflowd.core.snapshot import to_text
from runflowd.pipeline.io_guard import Role
from runflowd.pipeline.mounted import disposes, folders_of, look, mark_outputs
from runflowd.pipeline.wake_event import WakeEvent

if TYPE_CHECKING:
    from runflowd.core.model import Rule
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.mounted import Mounted

log = structlog.get_logger()

INTERVAL = 5.0
"""Seconds between two looks at a folder."""


class Survey:
    """Keeps what was found; a folder that does not answer is as good as none."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._found: dict[tuple[str, ...], Mounted] = {}
        self._under_way: set[str] = set()
        self._again = WakeEvent()

    def ask_again(self) -> None:
        """Look at once."""
        self._again.notify()

    @property
    def facts(self) -> dict[str, RuleFacts]:
        """What is known of every rule in force."""
        return {name: self._facts(rule) for name, rule in self._context.rules.items()}

    def _facts(self, rule: Rule) -> RuleFacts:
        found = self._found.get(folders_of(rule))  # what an edit does not move stays known
        io = self._context.io
        if found is None:  # a folder that hangs was looked at, too
            looked = rule.name in {*io.slow(Role.WATCHED), *io.slow(Role.WRITTEN)}
            return RuleFacts(digest(rule), disposes=disposes(rule), looked=looked)
        watch = found.watch and rule.name not in io.slow(Role.WATCHED)
        output = all(found.outputs.values()) and rule.name not in io.slow(Role.WRITTEN)
        return RuleFacts(digest(rule), watch, output, disposes(rule))

    async def run(self) -> None:
        """Look at the folders of all rules until cancelled."""
        async with anyio.create_task_group() as group:
            while True:
                for rule in list(self._context.rules.values()):
                    if rule.name not in self._under_way:
                        self._under_way.add(rule.name)
                        group.start_soon(self._look, rule)
                await self._again.wait(INTERVAL)

    async def _look(self, rule: Rule) -> None:
        try:
            await self._look_at(rule)
        finally:
            self._under_way.discard(rule.name)

    async def _look_at(self, rule: Rule) -> None:
        with self._context.log_store_errors("fleet"):
            if rule.name in (self._context.duties.intake or {}):
                await mark_outputs(self._context, rule)
            found = await look(self._context, rule)
            self._found = {folders: each for folders, each in self._found.items() if folders[0] != rule.name}
            self._found[folders_of(rule)] = found


def digest(rule: Rule) -> str:
    """What stands for the whole text of a rule."""
    return hashlib.sha256(to_text(rule).encode()).hexdigest()[:16]
