"""The state file without SQL: what its rows should say, in lists and dictionaries that anybody can follow."""

from __future__ import annotations

from dataclasses import dataclass, field

from runflowd.core.lifecycle import BatchState, ItemState, Outcome

WAITING, READY, DUPLICATE = ItemState.WAITING, ItemState.READY, ItemState.DUPLICATE
QUEUED, SUBMITTED, DOWNLOADING = ItemState.QUEUED, ItemState.SUBMITTED, ItemState.DOWNLOADING
DONE, FAILED, OUTCOME_UNKNOWN, SKIPPED = ItemState.DONE, ItemState.FAILED, ItemState.OUTCOME_UNKNOWN, ItemState.SKIPPED

FREE = {WAITING, READY, DUPLICATE, FAILED, SKIPPED}
"""No money has moved for such an item: a newer file at its path takes its row."""


@dataclass
class Claim:
    """Who has a row, and since which claim."""

    owner: str | None = None
    generation: int = 0
    due: float = 0.0

    def take(self, owner: str, now: float) -> bool:
        """Claim, if nobody has it."""
        if self.owner is not None or self.due > now:
            return False
        self.owner, self.generation = owner, self.generation + 1
        return True

    def good(self, owner: str, generation: int) -> bool:
        """Whether nobody else has taken the row since that claim."""
        return (self.owner, self.generation) == (owner, generation)


@dataclass
class PlainItem:
    """One file content under one recipe."""

    number: int
    path: str
    content: str | None
    recipe: str | None
    state: ItemState
    source: int | None = None
    batch: str | None = None
    current: bool = True
    present: bool = True
    code: str = ""
    claim: Claim = field(default_factory=Claim)

    @property
    def shares_a_doubt(self) -> bool:
        """Whether it was never sent, and only waits for what becomes of another."""
        return self.state is OUTCOME_UNKNOWN and self.batch is None and self.source is not None


@dataclass
class PlainBatch:
    """One batch; `items` are the numbers sealed in it."""

    items: list[int]
    state: BatchState = BatchState.SEALED
    remote: str | None = None
    claim: Claim = field(default_factory=Claim)


@dataclass
class PlainPurchase:
    """One request that costs money."""

    batch: str
    outcome: Outcome = Outcome.INTENDED
    doubtful: bool = False


class PlainStore:
    """All rows."""

    def __init__(self) -> None:
        self.items: dict[int, PlainItem] = {}
        self.batches: dict[str, PlainBatch] = {}
        self.purchases: dict[str, PlainPurchase] = {}
        self.outputs: dict[str, int] = {}
        self.paused = False

    def at(self, path: str) -> PlainItem | None:
        """The item that stands for a path."""
        return next((item for item in self.items.values() if item.current and item.path == path), None)

    def within(self, *states: ItemState) -> list[PlainItem]:
        """The items in some states, oldest first."""
        return [item for number, item in sorted(self.items.items()) if item.state in states]

    def of(self, batch: str) -> list[PlainItem]:
        """The items of a batch."""
        return [item for item in self.items.values() if item.batch == batch]

    def duplicates(self, number: int) -> list[PlainItem]:
        """Who waits for that item's result."""
        return [item for item in self.within(DUPLICATE) if item.source == number]

    def arrive(self, path: str, content: str, recipe: str) -> None:
        """A file became stable."""
        old = self.at(path)
        if old and old.content == content and old.state not in {WAITING, FAILED, SKIPPED}:
            old.present = True
            return
        paid = [
            item
            for item in self.within(READY, QUEUED, SUBMITTED, DOWNLOADING, DONE, OUTCOME_UNKNOWN)
            if (item.content, item.recipe) == (content, recipe) and not item.shares_a_doubt
        ]
        original = min(paid, key=lambda item: (item.state is not DONE, item.number), default=None)
        beside = {DONE: DOWNLOADING, OUTCOME_UNKNOWN: OUTCOME_UNKNOWN}
        state = beside.get(original.state, DUPLICATE) if original else READY
        code = "ORIGINAL_UNKNOWN" if state is OUTCOME_UNKNOWN else ""
        self.put(
            path, PlainItem(0, path, content, recipe, state, source=original.number if original else None, code=code)
        )

    def set_aside(self, path: str, state: ItemState, code: str) -> None:
        """A file that is not taken."""
        old = self.at(path)
        if old is None or (old.state, old.code) != (state, code):
            self.put(path, PlainItem(0, path, None, None, state, code=code))

    def put(self, path: str, new: PlainItem) -> None:
        """A row takes the place of one that cost nothing, or stands beside one that did."""
        old = self.at(path)
        if old and old.state in FREE:
            self.promote(old.number)
            new.number, new.claim.generation = old.number, old.claim.generation + 1
        elif old:
            old.current = False
            if old.state is not DOWNLOADING:
                old.claim.owner, old.claim.generation = None, old.claim.generation + 1
        new.number = new.number or max(self.items, default=0) + 1
        self.items[new.number] = new

    def promote(self, number: int) -> None:
        """That item will have no result: the last one in line is bought, unless another is on its way."""
        line = self.duplicates(number)
        if not line:
            return
        last = line[-1]
        on_its_way = [
            item.number
            for item in self.within(READY, QUEUED, SUBMITTED, DOWNLOADING)
            if (item.content, item.recipe) == (last.content, last.recipe) and item.number != number
        ]
        for other in line:
            other.source = min(on_its_way, default=last.number)
        if not on_its_way:
            last.state, last.source, last.code = READY, None, ""

    def forget(self, path: str) -> None:
        """The file is gone."""
        item = self.at(path)
        if item is None:
            return
        if item.state in {READY, DUPLICATE}:
            self.promote(item.number)
            item.state, item.code = SKIPPED, "GONE"
        item.present = False
        shared = any(other.source == item.number for other in self.items.values())
        if item.state in FREE - {DUPLICATE} and item.batch is None and not shared:
            del self.items[item.number]

    def enter(self, item: PlainItem, state: ItemState, code: str = "") -> None:
        """An item moves; a duplicate of it shares its doubt, and leaves it with it."""
        before, item.state, item.code, item.claim.owner, item.claim.due = item.state, state, code, None, 0.0
        if state is OUTCOME_UNKNOWN:
            for duplicate in self.duplicates(item.number):
                self.enter(duplicate, OUTCOME_UNKNOWN, code)
        if before is OUTCOME_UNKNOWN and state is not FAILED:
            for other in self.within(OUTCOME_UNKNOWN):
                if other.source == item.number and other.batch is None:
                    self.enter(other, DUPLICATE)

    def fail(self, item: PlainItem, code: str) -> None:
        """The service could not do it, and could not for its duplicates."""
        for duplicate in self.duplicates(item.number):
            self.enter(duplicate, FAILED, code)
        self.enter(item, FAILED, code)

    def finish(self, item: PlainItem) -> None:
        """Delivered: its duplicates take the result."""
        self.enter(item, DONE)
        for duplicate in self.duplicates(item.number):
            self.enter(duplicate, DOWNLOADING)

    def leave_batch(self, item: PlainItem, state: ItemState, code: str) -> None:
        """Out of a batch that was not bought."""
        self.enter(item, state, code)
        item.batch = None
        self.promote(item.number)

    def retry(self, item: PlainItem, *, buy: bool) -> None:
        """A person asks for another try."""
        if item.state is FAILED:
            return
        original = self.items.get(item.source or 0) if item.batch is None else None
        if original and original.state is OUTCOME_UNKNOWN:
            self.retry(original, buy=buy)
        elif original and original.state not in {FAILED, SKIPPED, WAITING}:
            self.enter(item, DOWNLOADING if original.state is DONE else DUPLICATE)
        elif item.code == "RESULT_LOST" and not buy:
            self.enter(item, DOWNLOADING)
        elif buy:
            self.enter(item, READY)
            item.batch = item.source = None

    def bury(self, living: frozenset[str] = frozenset()) -> None:
        """Nobody but the living holds anything, and what nobody alive is to have answered is doubtful."""
        for purchase in self.purchases.values():
            attended = self.batches[purchase.batch].claim.owner in living
            purchase.doubtful |= purchase.outcome is Outcome.INTENDED and not attended
        for batch in self.batches.values():
            if batch.claim.owner and batch.claim.owner not in living:
                batch.claim.owner, batch.claim.due = None, 0.0
        for item in self.items.values():
            if item.claim.owner not in living:
                item.claim.owner = None
