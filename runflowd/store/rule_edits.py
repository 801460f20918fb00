"""What an edit of a rule means for what it did: it got another name, or its results are to lie in another folder."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from runflowd.core.printable import printable
from runflowd.core.snapshot import from_text, with_output
from runflowd.store.deliveries import resumed_key
from runflowd.store.roots import roots_key
from runflowd.store.sealing import save_snapshot

if TYPE_CHECKING:
    from collections.abc import Container

    from runflowd.core.model import Rule
    from runflowd.store.connection import Connection


def seen_key(rule: str) -> str:
    """Under which key it is stored that a rule was seen before."""
    return f"rule-seen:{rule}"


def earlier_name(connection: Connection, rule: Rule, in_force: Container[str]) -> str:
    """The name that `rule` had before; "" for a new rule, one that is not in force, or when that is not known."""
    texts = {row["rule"]: row["text"] for row in connection.all("latest_snapshots")}
    if rule.name in texts or rule.name not in in_force:
        return ""
    gone = [name for name, text in texts.items() if name not in in_force and _is_alike(from_text(text), rule)]
    return gone[0] if len(gone) == 1 else ""


def rename(connection: Connection, before: str, after: str) -> bool:
    """Give all that a rule did another name; False while some of it is in a stage's hands, which know the old one."""
    if connection.one("held_of_rule", rule=before):
        return False
    for what in ("approvals", "crowd"):
        connection.run(f"displace_{what}", before=before, after=after)
    for what in ("items", "batches", "pause", "charges", "approvals", "crowd"):
        connection.run(f"rename_{what}", before=before, after=after)
    for key_of in (seen_key, roots_key, resumed_key):
        for change in ("displace_key", "rename_key"):
            connection.run(change, before=key_of(before), after=key_of(after))
    return True


def take_over(connection: Connection, rule: Rule, in_force: Container[str]) -> str:
    """Give a rule what it did under its earlier name, and tell that; "" while it has none or is to wait.

    Both in one transaction: the one before may have been edited away or renamed once more while this waited.
    """
    before = earlier_name(connection, rule, in_force)
    return before if before and rename(connection, before, rule.name) else ""


def _is_alike(one: Rule, other: Rule) -> bool:
    return (one.watch, one.output, one.model) == (other.watch, other.output, other.model)


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
