"""What people have approved, and what of it is used up: read and written in the transaction that seals a batch."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

from runflowd.core.approval import Approval, Crowd
from runflowd.store.prices import priced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runflowd.store.connection import Connection
    from runflowd.store.prices import Priced

PRICED = 1000
"""Waiting files whose price is looked up; the others are taken to cost as much on average."""


def approval_of(connection: Connection, rule: str, recipe: str) -> Approval:
    """What is on record of a rule, and of what it buys by this recipe (`core.undeliverable.recipe_of`)."""
    row, found = connection.one("approval", rule=rule, recipe=recipe), connection.one("crowd", rule=rule)
    crowd = Crowd(found["files"], Decimal(found["cost"]) if found["cost"] else None, found["passed"]) if found else None
    if row is None:
        return Approval(crowd=crowd)
    return Approval(row["sampled"], row["approved"], bool(row["everything"]), crowd)


def save_approval(connection: Connection, rule: str, recipe: str, before: Approval, after: Approval) -> None:
    """Write down what has changed."""
    if (before.sampled, before.approved, before.everything) != (after.sampled, after.approved, after.everything):
        facts = {"sampled": after.sampled, "approved": after.approved, "everything": after.everything}
        connection.run("save_approval", rule=rule, recipe=recipe, **facts)
    if after.crowd is None and before.crowd is not None:
        connection.run("drop_crowd", rule=rule)
    elif after.crowd is not None and after.crowd != before.crowd:
        save_crowd(connection, rule, after.crowd)


def save_crowd(connection: Connection, rule: str, crowd: Crowd) -> None:
    """Hold more files of a rule than are bought unasked."""
    cost = None if crowd.cost is None else format(crowd.cost, "f")
    connection.run("save_crowd", rule=rule, files=crowd.files, cost=cost, passed=crowd.passed)


def count_waiting(connection: Connection, snapshot: str) -> int:
    """How many files are ready under a rule text that were never sealed."""
    return int(connection.all("count_unapproved", snapshot=snapshot)[0]["count"])


def first_waiting(connection: Connection, snapshot: str) -> list[Priced]:
    """What the price of the first of these files depends on."""
    return [priced(row) for row in connection.all("priced_unapproved", snapshot=snapshot, limit=PRICED)]


def new_among(connection: Connection, numbers: Sequence[int]) -> list[bool]:
    """Which of these items were never sealed: to buy the others needs no approval any more."""
    approved = {row["id"] for row in connection.all("approved_among", ids=json.dumps(numbers))}
    return [number not in approved for number in numbers]


def waiting_for_approval(connection: Connection, rule: str, recipe: str) -> int:
    """How many files of a rule wait that nobody has approved; of a folder not scanned yet, those that were found."""
    known = approval_of(connection, rule, recipe)
    found = int(connection.all("count_unapproved_of_rule", rule=rule)[0]["count"])
    found = found or (known.crowd.files - known.crowd.passed if known.crowd else 0)
    return 0 if known.everything else max(0, found - known.approved)


def approve(connection: Connection, rule: str, recipe: str, files: int | None) -> None:
    """Let so many more files pass, or all that are there and to come, of what a rule buys by this recipe."""
    known = approval_of(connection, rule, recipe)
    more = Approval(known.sampled, known.approved + (files or 0), known.everything or files is None, known.crowd)
    save_approval(connection, rule, recipe, known, more)
