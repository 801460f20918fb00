"""The button that lets files pass which wait for an approval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from runflowd.core.undeliverable import recipe_of
from runflowd.store.approvals import approve, waiting_for_approval

if TYPE_CHECKING:
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection

log = structlog.get_logger()


async def approve_shown(context: Context, name: str, shown: str, who: str) -> int:
    """Let as many files of a rule pass as the page showed, never more than wait now; give how many.

    So what came after the page was made still waits, and a button that is pressed twice approves nothing twice.
    """
    rule, files = context.rules.get(name), int(shown) if shown.isdecimal() and len(shown) < 10 else 0
    if rule is None or not files:
        return 0
    recipe = recipe_of(rule)

    def write(connection: Connection) -> int:
        passing = min(files, waiting_for_approval(connection, name, recipe))
        if passing:
            approve(connection, name, recipe, passing)
        return passing

    approved = await context.store.write(write)
    if approved:
        log.info("approved on the page", action="rule.approved", who=who, rule=name, count=approved)
        context.stage_events.intake.notify()
    return approved
