"""A person lets files of a rule pass that wait for an approval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.control.command_context import count, flag, rule_named, text
from runflowd.control.refusal import CommandRefused
from runflowd.core.undeliverable import recipe_of
from runflowd.store.approvals import approval_of, approve, waiting_for_approval

if TYPE_CHECKING:
    from runflowd.control.command_context import Answer, CommandContext, Parameters


def approve_files(context: CommandContext, parameters: Parameters) -> Answer:
    """Let `files` more of `rule` pass, or with `everything` all of what it buys now; without either, those that wait.

    With `waiting_only` never more than wait: what came since they were counted waits, and asking twice approves nothing
    twice.
    `passing` is how many this lets pass, `approved` how many may pass now in all, each null for all; `waiting` how many
    files go on waiting.
    """
    rule = rule_named(context, text(parameters, "rule") or "")
    files, everything = count(parameters, "files", 0), flag(parameters, "everything")
    if files and everything:
        raise CommandRefused("say --files or --all, not both", 2)
    recipe = recipe_of(rule)
    waiting = waiting_for_approval(context.connection, rule.name, recipe)
    if flag(parameters, "waiting_only"):
        files = min(files, waiting)
    if not (files or everything or waiting):
        raise CommandRefused(
            f"nothing of rule {rule.name} waits for an approval; `--files N` lets so many pass once they come"
        )
    passing = None if everything else files or waiting
    approve(context.connection, rule.name, recipe, passing)
    known = approval_of(context.connection, rule.name, recipe)
    return {
        "rule": rule.name,
        "passing": passing,
        "approved": None if known.everything else known.approved,
        "waiting": waiting_for_approval(context.connection, rule.name, recipe),
    }
