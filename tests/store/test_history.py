"""Stories in the state file: a way along the table of transitions, of bounded length, whatever happens."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from kept_state import unpack
from named_contents import named

from runflowd.commands.logs import _lines
from runflowd.config import Config, LocalService, Service
from runflowd.control.command_context import CommandContext
from runflowd.control.handlers.history import logs
from runflowd.core.lifecycle import ITEM_MOVES, BatchState, ItemState
from runflowd.core.model import BatchLimits, Stat
from runflowd.core.money import Money
from runflowd.store import open_store
from runflowd.store.arrivals import Arrival, arrive, arrive_again, set_aside
from runflowd.store.batches import batch_from
from runflowd.store.departures import drop_unsent, forget_absent
from runflowd.store.duplicates import release_duplicates
from runflowd.store.history import BEGINNING, LEFT_OUT, MAX_STEPS, fold, record, story
from runflowd.store.items import Item, item_at, item_from, items_of_batch
from runflowd.store.known import known_in_folder
from runflowd.store.leases import Lease, claim_batches
from runflowd.store.moves import move
from runflowd.store.reserving import Purchase
from runflowd.store.retries import retry
from runflowd.store.schema import in_memory
from runflowd.store.sealing import save_snapshot, seal
from runflowd.store.unbought import drop_from_batch, split_batch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runflowd.store.claims import Claim
    from runflowd.store.connection import Connection

NOW = 1_800_000_000.0


def opened() -> Connection:
    """An empty state file in memory."""
    connection = in_memory()
    save_snapshot(connection, "studio", "{}")
    return connection


def arrival(connection: Connection, path: str, content: str, recipe: str = "r") -> Arrival:
    """A stable file."""
    snapshot = save_snapshot(connection, "studio", "{}")
    return Arrival("studio", path, Stat(10, 20, 30), named(content), "image/jpeg", recipe, {}, snapshot)


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A state file with one item."""
    made = opened()
    arrive(made, arrival(made, "a.jpg", "c"), NOW)
    yield made
    made.raw.close()


def test_a_step_equal_to_the_last_one_is_none(connection: Connection) -> None:
    """A file that is touched every minute has no story of a thousand lines."""
    for minute in range(3):
        record(connection, 1, NOW + minute, "looked at again")

    assert ["looked at again"] == [step.detail for step in story(connection, 1)][1:]


def test_a_long_story_keeps_its_beginning_and_its_end(connection: Connection) -> None:
    """What went in circles is left out, the oldest first, and the place says so."""
    for number in range(1_000):
        record(connection, 1, NOW + number, f"try {number}")
    steps = story(connection, 1)

    assert len(steps) <= MAX_STEPS
    assert [f"try {number}" for number in range(BEGINNING - 1)] == [step.detail for step in steps[1:BEGINNING]]
    assert ("try 999", True) == (steps[-1].detail, steps[BEGINNING].detail.endswith(LEFT_OUT))


def test_a_story_ends_with_its_item(connection: Connection) -> None:
    """A file that was never bought and is gone leaves nothing."""
    forget_absent(connection, known_in_folder(connection, "studio", "")["a.jpg"], NOW)

    assert [] == story(connection, 1)


def test_what_a_story_says_is_fit_to_show(connection: Connection) -> None:
    """Names and answers are foreign text; they may hold escapes, bytes that are no text, and signatures."""
    record(connection, 1, NOW, "see https://x.test/a?sig=secret of \udcff\x1b[2J")

    assert "see https://x.test/a?... of \\xff\\x1b[2J" == story(connection, 1)[-1].detail


@pytest.mark.anyio
async def test_what_happened_before_stories_were_kept_is_not_made_up(tmp_path: Path) -> None:
    """A file in a state file of the first schema has its facts and no steps, and `logs` says so."""
    unpack(1, tmp_path)
    config = Config((), "", Service(local=LocalService()), ())

    def work(connection: Connection) -> dict[str, Any]:
        return logs(CommandContext(connection, tmp_path, config.essentials, NOW), {"path": "a.jpg", "rule": "done"})

    async with open_store(tmp_path / "state.db") as store:
        (version,) = (await store.read(work))["versions"]

    assert ("done", [], False, 1) == (version["state"], version["steps"], version["whole"], len(version["outputs"]))
    assert "is not kept" in "\n".join(_lines(version))


class Lives(RuleBasedStateMachine):
    """What the stages do to rows, in any order, over a handful of files and contents."""

    paths = st.sampled_from(["a.jpg", "b.jpg", "c.jpg"])

    def __init__(self) -> None:
        super().__init__()
        self.connection = opened()
        self.now = NOW

    def items(self, *states: ItemState) -> list[Item]:
        """The items in these states."""
        rows = self.connection.raw.execute("SELECT * FROM full_item ORDER BY id").fetchall()
        return [item for item in map(item_from, rows) if item.state in states]

    @rule(path=paths, content=st.sampled_from("xyz"), disposed=st.booleans())
    def a_file_comes_to_rest(self, path: str, content: str, disposed: bool) -> None:
        arrive(self.connection, arrival(self.connection, path, content), self.now, disposed=disposed)

    @rule(path=paths, state=st.sampled_from([ItemState.WAITING, ItemState.FAILED, ItemState.SKIPPED]))
    def a_file_is_set_aside(self, path: str, state: ItemState) -> None:
        set_aside(self.connection, "studio", path, Stat(1, 2, 3), state, "CODE", "because", self.now)

    @rule(path=paths)
    def a_file_vanishes(self, path: str) -> None:
        if known := known_in_folder(self.connection, "studio", "").get(path):
            forget_absent(self.connection, known, self.now)

    @rule(path=paths, dropped=st.booleans())
    def a_rule_is_edited(self, path: str, dropped: bool) -> None:
        item = item_at(self.connection, "studio", path)
        if item is None or item.state not in {ItemState.READY, ItemState.DUPLICATE}:
            return
        if dropped:
            drop_unsent(self.connection, item, self.now)
        else:
            anew = arrival(self.connection, path, item.content_hash or "", "r2")
            arrive_again(self.connection, item, anew, self.now)

    @rule()
    def a_batch_is_sealed(self) -> None:
        snapshot = save_snapshot(self.connection, "studio", "{}")
        seal(self.connection, Purchase(snapshot, "studio", "", "m", "s"), BatchLimits(), Money(), self.now)

    @rule(after=st.sampled_from(["split", "submit", "drop"]), state=st.sampled_from(["waiting", "failed", "skipped"]))
    def a_batch_is_worked_on(self, after: str, state: str) -> None:
        lease = Lease("me", self.now)
        for batch in claim_batches(self.connection, BatchState.SEALED, "s", lease, 1):
            items = [item for item in items_of_batch(self.connection, batch.id) if item.state is ItemState.QUEUED]
            if after == "split" and len(items) > 1:
                split_batch(self.connection, batch, items, self.now)
            for item in items if after == "submit" else ():
                move(self.connection, item.id, item.state, ItemState.SUBMITTED, by=batch.claim, now=self.now)
            for item in items[:1] if after == "drop" else ():
                drop_from_batch(self.connection, batch, item, ItemState(state), "CODE", "because", self.now)

    def holder(self, item: Item) -> Claim:
        """The claim under which an item is worked on: its own when it is delivered, else that of its batch."""
        if item.state is ItemState.DOWNLOADING:
            self.connection.raw.execute("UPDATE item SET owner = 'me' WHERE id = ?", (item.id,))
            return replace(item, owner="me").claim
        row = self.connection.one("batch", id=item.batch)
        assert row is not None
        return batch_from(row).claim

    @rule(after=st.sampled_from([ItemState.DOWNLOADING, ItemState.OUTCOME_UNKNOWN, ItemState.DONE]))
    def work_goes_on(self, after: ItemState) -> None:
        before = ItemState.DOWNLOADING if after is ItemState.DONE else ItemState.SUBMITTED
        for item in self.items(before)[:1]:
            move(self.connection, item.id, before, after, by=self.holder(item), now=self.now)
            if after is ItemState.DONE:
                release_duplicates(self.connection, [item.id], self.now)

    @rule(buy_again=st.booleans())
    def another_try_is_asked_for(self, buy_again: bool) -> None:
        for item in self.items(ItemState.FAILED, ItemState.OUTCOME_UNKNOWN)[:1]:
            if item.current:
                retry(self.connection, item, self.now, buy_again=buy_again)

    @invariant()
    def every_story_is_a_way_along_the_table(self) -> None:
        self.now += 1
        for item in self.items(*ItemState):
            steps = story(self.connection, item.id)
            way = [state for state, _ in groupby(step.state for step in steps)]
            assert [] == [pair for pair in pairwise(way) if pair[1] not in ITEM_MOVES[pair[0]]]
            assert (item.state, True) == (steps[-1].state, len(steps) <= MAX_STEPS)

    def teardown(self) -> None:
        self.connection.raw.close()


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)


def test_a_story_is_the_same_when_its_beginning_is_packed(connection: Connection) -> None:
    """Word for word, and to a millisecond; more of it follows, and what says the same as its end is no step."""
    arrive(connection, arrival(connection, "a", "c"), NOW)
    for number in range(3):
        record(connection, 1, NOW + number / 8, f"try {number}: grün\n", "CODE")
    before = story(connection, 1)
    fold(connection, [1])
    packed = story(connection, 1)
    record(connection, 1, NOW + 9, "try 2: grün\n", "CODE")
    same = story(connection, 1)
    record(connection, 1, NOW + 9, "more")

    assert (before, before, [*before, replace(before[-1], at=NOW + 9, code="", detail="more")]) == (
        packed,
        same,
        story(connection, 1),
    )
    assert 1 == len(connection.raw.execute("SELECT id FROM history WHERE item = 1").fetchall())


def test_a_story_that_goes_on_after_it_was_packed_is_bounded(connection: Connection) -> None:
    """Its beginning stays, packed or not."""
    arrive(connection, arrival(connection, "a", "c"), NOW)
    fold(connection, [1])
    for number in range(200):
        record(connection, 1, NOW + number, f"try {number}")
    steps = story(connection, 1)

    assert len(steps) <= MAX_STEPS
    assert [f"try {number}" for number in range(BEGINNING - 1)] == [step.detail for step in steps[1:BEGINNING]]
