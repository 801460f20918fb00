"""Files as commands show them at the end of a run: what is done in a table, what is not with its remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.commands.formatting import advice, price, quoted, reason_of
from runflowd.commands.plain_table import table
from runflowd.core.printable import short_id
from runflowd.core.remedies import remedy_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runflowd.store.reports import Entry

MAX_ROWS = 200
"""Finished files listed one by one; beyond them a line tells how many more there are."""


def entry_text(entry: Entry) -> str:
    """A file that failed, is unknown or waits: why, and the remedy."""
    why = reason_of(entry.reason or entry.code or "no reason was given", entry.path)
    remedy = remedy_for(entry.state, entry.code, entry.rule, entry.path)
    return advice(f"{entry.path} (rule {entry.rule})", why, remedy)


def finished_table(entries: Sequence[Entry], models: dict[str, str]) -> Iterator[str]:
    """Lines with each finished file, its model, batch, seconds and cost; `models` are those of the rules."""
    rows = [
        [
            entry.rule,
            entry.path,
            entry.model or models.get(entry.rule, ""),
            short_id(entry.batch) or "-",
            "" if entry.seconds is None else f"{entry.seconds:.1f}",
            price(entry.cost, entry.hosted, entry.currency) or "-",
        ]
        for entry in entries[:MAX_ROWS]
    ]
    yield from table(["rule", "file", "model", "batch", "seconds", "cost"], rows, ("seconds", "cost"))
    if len(entries) > MAX_ROWS:
        yield quoted(f"and {len(entries) - MAX_ROWS:,} more: `runflowd list` has all")
