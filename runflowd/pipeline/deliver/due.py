"""What is due: results to be delivered, failures to be noted, receipts to be written, verdicts to be carried out.

One claim takes some of each.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from runflowd.core.snapshot import from_text
from runflowd.store.items import Item, claim_items
from runflowd.store.outputs import Output, outputs_of_items

if TYPE_CHECKING:
    from collections.abc import Collection

    from runflowd.core.model import Rule
    from runflowd.store import Connection
    from runflowd.store.leases import Lease


@dataclass(frozen=True, slots=True)
class Claimed:
    """An item with what its delivery, its note or its receipt needs to know: one claim reads it for many.

    `receipt` says that it was claimed for its receipt alone, `verdict` for a verdict on its result.
    """

    item: Item
    rule: str | None
    done: list[Output]
    receipt: bool = False
    verdict: bool = False

    @property
    def sealed_rule(self) -> Rule | None:
        """The rule as it was when the item was accepted; None for a file never accepted."""
        return _rule(self.rule) if self.rule is not None else None


def claim_due(
    connection: Connection, lease: Lease, room: int, paused: Collection[str], *, deliveries: bool
) -> list[Claimed]:
    """Take up to `room` items that are due; without `deliveries` only those that need nothing of the service."""
    values = {"owner": lease.owner, "now": lease.now}
    alone = json.dumps(list(paused))
    items: list[Item] = []
    rules = connection.all("rules_to_deliver", now=lease.now, paused=alone) if deliveries else []
    for place, row in enumerate(rules):  # each gets its share of the room, so that none waits for another
        share = -(-(room - len(items)) // (len(rules) - place))
        items += claim_items(connection, "claim_deliveries", rule=row["rule"], limit=share, **values)
    items += claim_items(connection, "claim_notes", limit=room - len(items), paused=alone, **values)
    verdicts = claim_items(connection, "claim_verdicts", limit=room - len(items), paused=alone, **values)
    left = room - len(items) - len(verdicts)
    receipts = claim_items(connection, "claim_receipts", limit=left, paused=alone, **values)
    taken = [*items, *verdicts, *receipts]
    texts = _texts(connection, {item.snapshot for item in taken if item.snapshot is not None})
    outputs = outputs_of_items(connection, [item.id for item in taken])
    facts = [(item, texts.get(item.snapshot), outputs[item.id]) for item in taken]
    first, second = len(items), len(items) + len(verdicts)
    return [
        *(Claimed(*each) for each in facts[:first]),
        *(Claimed(*each, verdict=True) for each in facts[first:second]),
        *(Claimed(*each, receipt=True) for each in facts[second:]),
    ]


def next_due(connection: Connection, paused: Collection[str]) -> float | None:
    """When the next item is due that nobody holds (epoch seconds); None while there is none."""
    names = ("next_delivery", "next_verdict", "next_receipt")
    rows = [connection.one(name, paused=json.dumps(list(paused))) for name in names]
    return min((row["due_at"] for row in rows if row is not None and row["due_at"] is not None), default=None)


@lru_cache(maxsize=256)
def _rule(text: str) -> Rule:
    return from_text(text)


def _texts(connection: Connection, snapshots: Collection[str]) -> dict[str | None, str]:
    """The rule texts of these snapshots."""
    found = connection.all_each("snapshot", [{"id": snapshot} for snapshot in snapshots])
    return {snapshot: rows[0]["text"] for snapshot, rows in zip(snapshots, found, strict=True) if rows}
