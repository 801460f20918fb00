"""Another try for files that failed."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from runflowd.control.command_context import flag, rule_asked_for, text, texts
from runflowd.control.refusal import CommandRefused
from runflowd.core.lifecycle import ItemState
from runflowd.core.printable import printable
from runflowd.store.duplicates import OWN_RESULT
from runflowd.store.items import item_from
from runflowd.store.listing import Wanted, every
from runflowd.store.retries import retry

if TYPE_CHECKING:
    from runflowd.control.command_context import Answer, CommandContext, Parameters
    from runflowd.store.items import Item


def retry_items(context: CommandContext, parameters: Parameters) -> Answer:
    """Try failed and unknown items again: those of `rule` that match one of `patterns`; no pattern means all.

    With `code` only what failed for that cause, with `reference` that one item. A result that was skipped as an input
    is tried only if it is named.
    """
    chosen = _one(context, reference) if (reference := text(parameters, "reference")) else _group(context, parameters)
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


def _one(context: CommandContext, reference: str) -> list[Item]:
    row = context.connection.one("troubled_by_reference", reference=reference)
    return [item_from(row)] if row else []


def _group(context: CommandContext, parameters: Parameters) -> list[Item]:
    rule, patterns = rule_asked_for(context, parameters), texts(parameters, "patterns")
    code = text(parameters, "code")
    doubtful = [ItemState.OUTCOME_UNKNOWN] if code is None else []
    return [
        item
        for state in (ItemState.FAILED, *doubtful, *([ItemState.SKIPPED] if patterns else []))
        for item in every(context.connection, Wanted(rule, (state,)))
        if not patterns or any(fnmatchcase(item.path, pattern) for pattern in patterns)
        if code in {None, item.failure_code}
        if item.state is not ItemState.SKIPPED or item.failure_code == OWN_RESULT
    ]
