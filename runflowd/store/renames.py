"""A rule that got another name takes along what it did under the old one, so that its tree is not new work.

A rule is known by its name. A name that this state file has never seen, over the folders and the model of
exactly one rule that is in force no more, is that rule's new name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.snapshot import from_text
from runflowd.store.results import resumed_key
from runflowd.store.roots import roots_key

if TYPE_CHECKING:
    from collections.abc import Container

    from runflowd.core.model import Rule
    from runflowd.store.connection import Connection


def seen_key(rule: str) -> str:
    """Under which key it is stored that a rule was seen before."""
    return f"rule-seen:{rule}"


def earlier_name(connection: Connection, rule: Rule, in_force: Container[str]) -> str:
    """The name that `rule` had before; "" when it is a new rule, or when that is not known."""
    texts = {row["rule"]: row["text"] for row in connection.all("latest_snapshots")}
    if rule.name in texts:
        return ""
    gone = [name for name, text in texts.items() if name not in in_force and _is_alike(from_text(text), rule)]
    return gone[0] if len(gone) == 1 else ""


def rename(connection: Connection, before: str, after: str) -> bool:
    """Give all that a rule did another name; False while some of it is in a stage's hands, which know the old one."""
    if connection.one("held_of_rule", rule=before):
        return False
    for name in ("rename_items", "rename_batches", "rename_pause", "rename_charges"):
        connection.run(name, before=before, after=after)
    for key_of in (seen_key, roots_key, resumed_key):
        connection.run("rename_key", before=key_of(before), after=key_of(after))
    return True


def _is_alike(one: Rule, other: Rule) -> bool:
    return (one.watch, one.output, one.model) == (other.watch, other.output, other.model)
