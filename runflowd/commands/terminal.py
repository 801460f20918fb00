"""How answers look on a terminal: tables, money, ages; foreign text made fit to show."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from runflowd.commands import plain_table
from runflowd.commands.formatting import QUOTED, price, quoted, reason_of
from runflowd.core.printable import printable, short_id
from runflowd.core.remedies import remedy_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runflowd.store.reports import Entry

PIPE_WIDTH = 160
"""Columns when the output is no terminal: wide enough that no path is cut for a reader such as grep."""

MAX_ROWS = 200
"""Finished files listed one by one; beyond them a line tells how many more there are."""


def console(*, stderr: bool = False) -> Console:
    """Where answers go; as wide as the terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else PIPE_WIDTH)


def cell(text: str, style: str = "") -> Text:
    """Foreign text as a cell: no markup, no escapes."""
    return Text(printable(text), style=style)


def table(*columns: str, numbers: Sequence[str] = (), title: str = "") -> Table:
    """An empty table; the columns in `numbers` are aligned to the right."""
    made = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold", box=None)
    made.pad_edge = False
    for column in columns:
        numeric = column in numbers
        made.add_column(column, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    return made


def advice(subject: str, message: str, remedy: str, style: str = "bold") -> Text:
    """What is wrong with what, and on a line of its own what to do about it."""
    return Text.assemble((f"  {printable(subject)}", style), ": ", quoting(message), "\n    -> ", quoting(remedy))


def quoting(sentence: str) -> Text:
    """A sentence as `say` prints it."""
    text = printable(sentence)
    if not sys.stdout.isatty():
        return Text(text)
    parts = QUOTED.split(text)  # what is quoted, at every other place
    return Text.assemble(*((part, "underline" if odd % 2 else "") for odd, part in enumerate(parts)))


def entry_text(entry: Entry, style: str = "bold") -> Text:
    """A file that failed, is unknown or waits: why, and the remedy."""
    why = reason_of(entry.reason or entry.code or "no reason was given", entry.path)
    remedy = remedy_for(entry.state, entry.code, entry.rule, entry.path)
    return advice(f"{entry.path} (rule {entry.rule})", why, remedy, style)


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
    yield from plain_table.table(["rule", "file", "model", "batch", "seconds", "cost"], rows, ("seconds", "cost"))
    if len(entries) > MAX_ROWS:
        yield quoted(f"and {len(entries) - MAX_ROWS:,} more: `runflowd list` has all")
