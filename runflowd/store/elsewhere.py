"""Results in an output folder that their rule had before its `output:` was edited."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from runflowd.core.printable import printable
from runflowd.core.snapshot import from_text, with_output
from runflowd.store.sealing import save_snapshot

if TYPE_CHECKING:
    from runflowd.core.model import Rule
    from runflowd.store.connection import Connection


def results_elsewhere(connection: Connection, rule: Rule) -> Counter[str]:
    """How many files that are there have their results in which other folder than the rule says now."""
    found: Counter[str] = Counter()
    for row in connection.all("results_by_snapshot", rule=rule.name):
        text = connection.one("snapshot", id=row["snapshot"])
        folder = from_text(text["text"]).output if text else rule.output
        if folder != rule.output:
            found[folder] += row["count"]
    return found


def elsewhere_messages(connection: Connection, rule: Rule) -> list[str]:
    """What an edit of `output:` means for the results that are there, in words."""
    return [
        f"rule {printable(rule.name)}: `output` was edited: the results of {count} known "
        f"file{'s' if count > 1 else ''} lie in {printable(folder)}, those of new ones will lie in "
        f"{printable(rule.output)}. `runflowd rerun {printable(rule.name)} --missing` puts the old ones there as well, "
        "at no cost"
        for folder, count in results_elsewhere(connection, rule).items()
    ]


def deliver_under(connection: Connection, number: int, snapshot: str | None, rule: Rule) -> None:
    """Have an item delivered to where its rule says now; all else stays as it was when it was accepted."""
    row = connection.one("snapshot", id=snapshot)
    if row is None or from_text(row["text"]).output == rule.output:
        return
    digest = save_snapshot(connection, rule.name, with_output(row["text"], rule.output))
    connection.run("deliver_under", id=number, snapshot=digest)
