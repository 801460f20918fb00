"""Another try for files that failed."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from runflowd.control.command_context import flag, rule_asked_for, texts
from runflowd.control.refusal import CommandRefused
from runflowd.core.lifecycle import ItemState
from runflowd.core.printable import printable
from runflowd.store.duplicates import OWN_RESULT
from runflowd.store.listing import Wanted, every
from runflowd.store.retries import retry

if TYPE_CHECKING:
    from runflowd.control.command_context import Answer, CommandContext, Parameters


def retry_items(context: CommandContext, parameters: Parameters) -> Answer:
    """Try failed and unknown items again: those of `rule` that match one of `patterns`; no pattern means all.

    A result that was skipped as an input is tried only if it is named.
    """
    rule, patterns = rule_asked_for(context, parameters), texts(parameters, "patterns")
    chosen = [
        item
        for state in (ItemState.FAILED, ItemState.OUTCOME_UNKNOWN, *([ItemState.SKIPPED] if patterns else []))
        for item in every(context.connection, Wanted(rule, state))
        if not patterns or any(fnmatchcase(item.path, pattern) for pattern in patterns)
        if item.state is not ItemState.SKIPPED or item.failure_code == OWN_RESULT
    ]
    if not chosen:
        raise CommandRefused("no failed or unknown file matches. `runflowd list --state failed` shows them.")
    buy_again = flag(parameters, "buy_again")
    done = [(item, retry(context.connection, item, context.now, buy_again=buy_again)) for item in chosen]
    return {
        "items": [
            {"rule": item.rule, "path": printable(item.path), "what": what.name.lower(), "words": what.value}
            for item, what in done
        ]
    }
