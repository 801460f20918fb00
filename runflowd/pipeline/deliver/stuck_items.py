"""What could not be carried to its place for a reason wider than the item, and whether it waits for that still.

Folders below one output folder fail each by itself: that a result got through says nothing of another one's folder.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from runflowd.store.deliveries import still_to_deliver

if TYPE_CHECKING:
    from runflowd.store import Store
    from runflowd.store.items import Item

MAX_STUCK = 1000
"""Items remembered of one rule: where so many wait, one that gets through speaks for the rest."""


class StuckItems:
    """The items of each rule that an incident of its output folder is about."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ids: dict[str, set[int]] = {}

    def __repr__(self) -> str:
        return f"<StuckItems {json.dumps({rule: len(ids) for rule, ids in self._ids.items()})}>"

    def add(self, item: Item) -> None:
        """An item could not be carried to its place."""
        ids = self._ids.setdefault(item.rule, set())
        if len(ids) < MAX_STUCK:
            ids.add(item.id)

    async def none_left(self, item: Item) -> bool:
        """An item got through: whether no other one of its rule is still stuck."""
        ids = self._ids.pop(item.rule, set()) - {item.id}
        if not ids:
            return True
        if left := await self._store.read(partial(still_to_deliver, numbers=ids)):
            self._ids.setdefault(item.rule, set()).update(left)
        return not left
