"""The note in an output folder that says how many results wait for review: while they are held, nothing is seen there.

It follows the count with a delay of seconds; a folder that does not answer holds up its own note alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from runflowd import files
from runflowd.core.review import HELD_FOLDER, REVIEW_NOTE, ReviewMode
from runflowd.errors import StoreError
from runflowd.pipeline.io_guard import Abandoned, Role
from runflowd.store.verdicts import count_to_review

if TYPE_CHECKING:
    from runflowd.core.model import Rule
    from runflowd.pipeline.context import Context

INTERVAL = 10.0
"""Seconds between two looks at the counts."""

HEADING = "Results of runflowd wait for review."
"""The first line of the note; a file without it is not ours."""


class ReviewNotes:
    """Keeps the notes of the rules that hold their results."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._said: dict[str, int] = {}
        self._under_way: set[str] = set()

    def __repr__(self) -> str:
        return f"<ReviewNotes {self._said}>"

    async def run(self) -> None:
        """Bring the notes up to date until cancelled."""
        async with anyio.create_task_group() as group:
            while True:
                for rule, count in await self._outdated():
                    self._under_way.add(rule.output)
                    group.start_soon(self._write, rule, count)
                await anyio.sleep(INTERVAL)

    async def finish(self) -> None:
        """Bring them up to date a last time."""
        for rule, count in await self._outdated():
            await self._write(rule, count)

    async def _outdated(self) -> list[tuple[Rule, int]]:
        """The rules whose note says something else than how many of their results wait, and that number."""
        context = self._context
        noted = [
            rule
            for rule in context.rules.values()
            if rule.review.mode is ReviewMode.HOLD or self._said.get(rule.output)
        ]
        if not noted:
            return []
        try:
            counts = await context.store.read(count_to_review)
        except StoreError as error:
            context.log_throttle.error(str(error), action="store.failed", stage="review notes")
            return []
        left_alone = context.io.slow(Role.WRITTEN)
        return [
            (rule, counts.get(rule.name, 0))
            for rule in noted
            if self._said.get(rule.output) != counts.get(rule.name, 0)
            and rule.name not in left_alone
            and rule.output not in self._under_way
        ]

    async def _write(self, rule: Rule, count: int) -> None:
        try:
            await self._context.io.written(rule).write(_bring_up_to_date, rule, count)
        except (files.FileError, Abandoned) as error:
            self._context.log_throttle.warning(str(error), action="note.skipped", rule=rule.name, path=REVIEW_NOTE)
        else:
            self._said[rule.output] = count
        finally:
            self._under_way.discard(rule.output)


def _bring_up_to_date(rule: Rule, count: int) -> None:
    """Write or remove the note of a rule. Blocking."""
    if count:
        files.write_note(rule.output, REVIEW_NOTE, text_for(rule, count), heading=HEADING)
    else:
        files.remove_note(rule.output, REVIEW_NOTE, heading=HEADING)


def text_for(rule: Rule, count: int) -> str:
    """What the note of a rule says below its heading."""
    noun = "result" if count == 1 else "results"
    return "\n".join(
        [
            f"{count:,} {noun} of rule {rule.name}: accepted ones appear in this folder.",
            f"Until then they are in the hidden folder {HELD_FOLDER} in it.",
            "",
            f"To see and judge them: the page under To review, or `runflowd review {rule.name}`,",
            "`runflowd accept PATH` and `runflowd reject PATH`.",
            "This note disappears when none waits.",
        ]
    )
