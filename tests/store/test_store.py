"""The state file: durable, exclusive, refused when it cannot be trusted."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from named_contents import named

from runflowd.core.lifecycle import BatchState, ItemState, Outcome
from runflowd.core.model import BatchLimits, OutputPath, Stat
from runflowd.core.money import Money
from runflowd.errors import StoreError
from runflowd.store import Damaged, Locked, Newer, open_reader, open_store
from runflowd.store.arrivals import Arrival, arrive, arrive_new, set_aside
from runflowd.store.claims import LeaseLost
from runflowd.store.departures import forget_absent
from runflowd.store.duplicates import release_duplicates
from runflowd.store.history import story
from runflowd.store.items import Item, item_at, items_of_batch
from runflowd.store.known import known_in_folder, new_files
from runflowd.store.leases import Lease, claim_batches, free_leases, release
from runflowd.store.moves import end_duplicates, move
from runflowd.store.outputs import Reservation, output_at, reserve_outputs
from runflowd.store.purchases import close_purchase, purchases_of_batch, record_intent
from runflowd.store.reserving import Purchase
from runflowd.store.schema import migrations
from runflowd.store.sealing import save_snapshot, seal
from runflowd.store.sqlite import SqliteConnection, connect
from runflowd.store.store import NotDurable, NotReadable

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.store import Connection, Store
    from runflowd.store.batches import Batch

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.0
STAT = Stat(10, 20, 30)


def arrival(path: str, content: str = "c", recipe: str = "r") -> Arrival:
    """A stable file under the rule `studio`."""
    return Arrival("studio", path, STAT, named(content), "image/jpeg", recipe, {"image_url": "${file.url}"}, "snap")


def prepare(connection: Connection, *paths: str, content: str = "") -> None:
    """Ready items, each with its own content unless one is given."""
    connection.run("save_snapshot", id="snap", rule="studio", text="{}")
    for path in paths:
        arrive(connection, arrival(path, content or path), NOW)


def sealed(connection: Connection, *paths: str) -> str:
    """A batch of ready items."""
    prepare(connection, *paths)
    batch = seal(connection, Purchase("snap", "studio", "", "m", "s"), BatchLimits(), Money(), NOW).batch
    assert batch is not None
    return batch


def claim(connection: Connection, owner: str, now: float = NOW) -> list[str]:
    """The ids of the sealed batches that an owner gets."""
    return [batch.id for batch in claim_batches(connection, BatchState.SEALED, "s", Lease(owner, now), 10)]


def held(connection: Connection, owner: str, *paths: str) -> Batch:
    """A batch of ready items that an owner has claimed."""
    number = sealed(connection, *paths)
    claimed = claim_batches(connection, BatchState.SEALED, "s", Lease(owner, NOW), 10)
    return next(batch for batch in claimed if batch.id == number)


async def test_what_was_written_is_read_back_after_reopening(tmp_path: Path) -> None:
    """Commits survive the process."""
    async with open_store(tmp_path / "state.db") as store:
        await store.write(lambda connection: prepare(connection, "a.jpg"))
    async with open_store(tmp_path / "state.db") as store:
        item = await store.read(lambda connection: item_at(connection, "studio", "a.jpg"))

    assert item is not None
    assert (ItemState.READY, STAT, {"image_url": "${file.url}"}) == (item.state, item.stat, item.input)


async def test_writes_that_wait_together_share_a_commit(tmp_path: Path) -> None:
    """A hundred callers, a few commits."""
    async with open_store(tmp_path / "state.db") as store:
        await store.write(prepare)
        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(_arrive_one, store, f"{number}.jpg")
        known = await store.read(lambda connection: known_in_folder(connection, "studio", ""))

    assert len(known) == 100
    assert store.commits < 20


async def _arrive_one(store: Store, path: str) -> None:
    await store.write(lambda connection: arrive(connection, arrival(path, path), NOW))


async def test_the_same_work_that_waits_together_is_done_in_one_go(tmp_path: Path) -> None:
    """Each caller gets its own answer; where all at once fails, each is tried alone."""
    gone_about: list[list[int]] = []
    refused: list[int] = []

    def save(connection: Connection, numbers: list[int]) -> list[int]:
        gone_about.append(numbers)
        connection.run_many("save_value", [{"service": "", "key": f"{each}", "value": ""} for each in numbers])
        if 7 in numbers:
            raise ValueError(numbers)
        return [-number for number in numbers]

    async def ask(store: Store, number: int) -> None:
        try:
            assert -number == await store.write_together(save, number)
        except ValueError:
            refused.append(number)

    async with open_store(tmp_path / "state.db") as store:
        async with anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(ask, store, number)
        found = await store.read(lambda each: each.raw.execute("SELECT key FROM kv WHERE value = ''").fetchall())

    assert [7] == refused
    assert {"0", "1", "2", "3", "4", "5", "6", "8", "9"} == {row["key"] for row in found}
    assert max(map(len, gone_about)) > 2


async def test_a_failing_writer_undoes_only_itself(tmp_path: Path) -> None:
    """Its neighbours in the same commit are kept."""
    async with open_store(tmp_path / "state.db") as store:
        await store.write(prepare)

        def fail(connection: Connection) -> None:
            arrive(connection, arrival("bad.jpg"), NOW)
            raise RuntimeError("no")

        async def failing() -> None:
            with pytest.raises(RuntimeError):
                await store.write(fail)

        async with anyio.create_task_group() as group:
            group.start_soon(_arrive_one, store, "good.jpg")
            group.start_soon(failing)
        known = await store.read(lambda connection: known_in_folder(connection, "studio", ""))

    assert {"good.jpg"} == set(known)


async def test_a_full_disk_fails_every_waiting_writer(tmp_path: Path) -> None:
    """Nothing of the commit happened, and the error says so."""
    async with open_store(tmp_path / "state.db") as store:
        await store.write(prepare)
        await store.write(lambda connection: connection.raw.execute("PRAGMA max_page_count = 1").fetchone()[0])

        with pytest.raises(NotDurable, match="could not be written"):
            await store.write(lambda connection: prepare(connection, *(f"{'x' * 200}{n}" for n in range(500))))

        known = await store.read(lambda connection: known_in_folder(connection, "studio", ""))

    assert known == {}


async def test_a_second_opener_is_refused_with_the_first_one_s_pid(tmp_path: Path) -> None:
    """Two daemons never share a state file (scenario 65)."""
    async with open_store(tmp_path / "state.db"):
        with pytest.raises(Locked, match=f"process {os.getpid()}"):
            async with open_store(tmp_path / "state.db"):
                pass


async def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    """The kernel drops it with the process (scenario 67)."""
    code = (
        "import anyio, os, pathlib, signal, sys\n"
        "from runflowd.store import open_store\n"
        "async def main():\n"
        "    async with open_store(pathlib.Path(sys.argv[1])):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "anyio.run(main)\n"
    )
    await anyio.run_process([sys.executable, "-c", code, str(tmp_path / "state.db")], check=False)
    async with open_store(tmp_path / "state.db") as store:
        count = await store.read(lambda connection: connection.one("count_in_flight"))

    assert count is not None


async def test_a_newer_schema_is_refused_unchanged(tmp_path: Path) -> None:
    """A downgrade says what to do and touches nothing (scenario 70)."""
    path = tmp_path / "state.db"
    async with open_store(path) as store:
        await store.write(lambda connection: connection.raw.execute("PRAGMA user_version = 99").fetchall())
    with pytest.raises(Newer, match=f"schema 99, this program knows up to {len(migrations())}"):
        async with open_store(path):
            pass

    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (99,)


@pytest.mark.parametrize(
    "content", [b"\0" * 4096, b"this is no database at all, but long enough to be one" * 20], ids=["nul", "text"]
)
async def test_a_damaged_file_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    """It holds what was paid for, so it is never replaced silently (scenario 62)."""
    path = tmp_path / "state.db"
    path.write_bytes(content)
    with pytest.raises(Damaged, match="never replaced silently"):
        async with open_store(path):
            pass

    assert path.read_bytes() == content


async def test_a_torn_file_is_refused(tmp_path: Path) -> None:
    """A database whose end was cut off (scenario 62)."""
    path = tmp_path / "state.db"
    async with open_store(path) as store:
        await store.write(lambda connection: prepare(connection, *(f"{n}.jpg" for n in range(500))))
    path.write_bytes(path.read_bytes()[:-8192])
    with pytest.raises(Damaged):
        async with open_store(path):
            pass


async def test_the_state_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """It holds presigned addresses while work is under way."""
    async with open_store(tmp_path / "x/state.db"):
        mode = (tmp_path / "x/state.db").stat().st_mode & 0o777

    assert mode == 0o600


def test_a_missing_state_file_is_explained(tmp_path: Path) -> None:
    """A command that only looks makes none."""
    with pytest.raises(StoreError, match="no state file yet"):
        open_reader(tmp_path / "state.db")


@pytest.fixture
def in_file(tmp_path: Path) -> Connection:
    """A migrated state file without the machinery around it."""
    made = connect(tmp_path / "state.db")
    for number, script in enumerate(migrations(), start=1):
        made.raw.executescript(f"{script}; PRAGMA user_version = {number};")
    return made


def test_two_equal_contents_are_never_both_ready(connection: Connection) -> None:
    """The second follows the first, in the same transaction or another."""
    prepare(connection, "a.jpg", "b.jpg", content="same")
    second = item_at(connection, "studio", "b.jpg")

    assert second is not None
    assert second.state is ItemState.DUPLICATE


def test_files_of_which_nothing_is_known_are_recorded_together_as_one_by_one(connection: Connection) -> None:
    """What is known by its path, its content or a result, or comes twice, is to be looked at by itself."""
    prepare(connection, "a.jpg", content="known")
    connection.raw.execute("UPDATE item SET state = 'downloading', owner = 'me'")
    item = item_at(connection, "studio", "a.jpg")
    assert item is not None
    reserve_outputs(connection, [Reservation(item, OutputPath("/out", "a.webp"), 0, named("result"), 5)])
    names = {"a.jpg": "other", "b.jpg": "known", "r.jpg": "result", "x/c.jpg": "new", "d.jpg": "new"}
    found = new_files(connection, "studio", {path: named(content) for path, content in names.items()})
    decisions = arrive_new(connection, [arrival("x/c.jpg", "new")], NOW)
    alone = arrive(connection, arrival("x/e.jpg", "alone"), NOW)
    together, single = (item_at(connection, "studio", path) for path in ("x/c.jpg", "x/e.jpg"))
    assert together is not None
    assert single is not None
    own = {name: getattr(single, name) for name in ("id", "path", "content_hash", "client_ref")}

    assert ["x/c.jpg"] == found
    assert ([alone], replace(together, **own)) == (decisions, single)
    steps = [story(connection, each.id) for each in (together, single)]
    assert steps[0][0].detail.replace(named("new")[:12], named("alone")[:12]) == steps[1][0].detail


def test_duplicates_take_the_result_when_it_is_there(connection: Connection) -> None:
    """Done sets them free to be delivered."""
    prepare(connection, "a.jpg", "b.jpg", content="same")
    first = item_at(connection, "studio", "a.jpg")
    assert first is not None

    assert release_duplicates(connection, [first.id], NOW) == 1


def test_when_the_first_one_goes_the_next_one_is_bought(connection: Connection) -> None:
    """Deleting a file that has duplicates promotes one of them, not all."""
    prepare(connection, "a.jpg", "b.jpg", "c.jpg", content="same")
    forget_absent(connection, known_in_folder(connection, "studio", "")["a.jpg"], NOW)
    states = {name: known.state for name, known in known_in_folder(connection, "studio", "").items()}

    assert [ItemState.DUPLICATE, ItemState.READY] == sorted(states.values())


def test_many_equal_files_that_go_one_by_one_cost_the_same_each(in_file: Connection) -> None:
    """Whoever is promoted takes over all other duplicates, so it is one whose own turn comes late (scenario 137)."""
    costs: list[float] = []
    for count in (20, 200):
        prepare(in_file, *(f"{count}/{number:03}.jpg" for number in range(count)), content=f"{count}")
        before = in_file.raw.total_changes
        for known in known_in_folder(in_file, "studio", f"{count}").values():
            forget_absent(in_file, known, NOW)
        costs.append((in_file.raw.total_changes - before) / count)

    assert costs[1] < 2 * costs[0], costs


@pytest.mark.parametrize("state", ["duplicate", "done"])
def test_the_next_of_many_equal_files_is_found_without_looking_at_all(in_file: Connection, state: str) -> None:
    """Tens of thousands of one content are no more work than a few, each (scenario 137)."""
    prepare(in_file, "a.jpg", *(f"b/{number}.jpg" for number in range(500)), content="same")
    in_file.raw.execute("UPDATE item SET state = ? WHERE dir = 'b'", (state,))
    in_file.raw.execute("UPDATE item SET mtime_ns = id, inode = id")
    last = item_at(in_file, "studio", "b/499.jpg")
    assert last is not None
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    in_file.raw.set_progress_handler(count, 10)
    in_file.one("original", rule="studio", content_hash="same", recipe_hash="r", id=-1)
    in_file.all("holders_of_file", id=last.id, **last.stat._asdict())

    assert steps[0] < 30, steps


def test_duplicates_fail_with_their_original(connection: Connection) -> None:
    """The same content under the same recipe fails the same way."""
    prepare(connection, "a.jpg", "b.jpg", content="same")
    first = item_at(connection, "studio", "a.jpg")
    assert first is not None
    end_duplicates(connection, [first.id], ItemState.FAILED, "CODE", "because", NOW)
    second = item_at(connection, "studio", "b.jpg")

    assert second is not None
    assert (ItemState.FAILED, "CODE", "because") == (second.state, second.failure_code, second.failure)


def test_bought_work_is_never_written_over(connection: Connection) -> None:
    """A bad file at the path of a finished one gets a row of its own."""
    prepare(connection, "a.jpg")
    connection.raw.execute("UPDATE item SET state = 'done'")
    set_aside(connection, "studio", "a.jpg", STAT, ItemState.FAILED, "EMPTY", "empty", NOW)
    rows = connection.raw.execute("SELECT state, current FROM item ORDER BY id").fetchall()

    assert [("done", 0), ("failed", 1)] == [tuple(row) for row in rows]


def test_the_same_refusal_is_news_once(connection: Connection) -> None:
    """A file set aside for the same reason again is not told again."""
    told = [set_aside(connection, "studio", "a.jpg", STAT, ItemState.FAILED, "EMPTY", "empty", NOW) for _ in range(2)]

    assert [True, False] == told


def test_a_claimed_batch_is_nobody_else_s(connection: Connection) -> None:
    """However long its work takes: that says nothing about who lives."""
    batch = sealed(connection, "a.jpg")
    firsts = claim(connection, "one"), claim(connection, "one"), claim(connection, "two", NOW + 1e9)

    assert ([batch], [], []) == firsts


def test_a_zombie_s_late_word_does_not_count(connection: Connection) -> None:
    """The generation fences off an owner that was found dead."""
    sealed(connection, "a.jpg")
    (old,) = claim_batches(connection, BatchState.SEALED, "s", Lease("zombie", NOW), 1)
    free_leases(connection, {"two"})
    claim(connection, "two")

    with pytest.raises(LeaseLost):
        release(connection, old, due_at=NOW)


def test_a_restart_frees_what_the_last_run_held_and_doubts_its_intents(connection: Connection) -> None:
    """An intent found at the start may have been sent."""
    batch = held(connection, "dead", "a.jpg")
    record_intent(connection, batch, "guide", b"{}", NOW)
    free_leases(connection, {"new"})

    assert ([batch.id], [True]) == (
        claim(connection, "new"),
        [purchase.ambiguous for purchase in purchases_of_batch(connection, batch.id)],
    )


def test_an_intent_keeps_its_exact_bytes_until_it_is_settled(connection: Connection) -> None:
    """Then they are dropped with the addresses in them."""
    batch = held(connection, "one", "a.jpg")
    made = record_intent(connection, batch, "guide", b'{"a": 1}', NOW)
    before = purchases_of_batch(connection, batch.id)
    close_purchase(connection, batch, made.key, Outcome.ACCEPTED, "remote")
    after = purchases_of_batch(connection, batch.id)

    assert ([b'{"a": 1}'], [None]) == ([p.body for p in before], [p.body for p in after])
    assert [Outcome.ACCEPTED] == [p.outcome for p in after]


def test_a_batch_holds_the_oldest_within_its_limits(connection: Connection) -> None:
    """The rest waits for the next one."""
    prepare(connection, "a.jpg", "b.jpg", "c.jpg")
    limits = replace(BatchLimits(), max_items=2)
    batch = seal(connection, Purchase("snap", "studio", "", "m", "s"), limits, Money(), NOW).batch

    assert batch is not None
    assert ["a.jpg", "b.jpg"] == [item.path for item in items_of_batch(connection, batch)]


def test_a_move_from_another_state_changes_nothing(connection: Connection) -> None:
    """Somebody was faster."""
    prepare(connection, "a.jpg")
    item = item_at(connection, "studio", "a.jpg")
    assert item is not None

    assert move(connection, item.id, ItemState.OUTCOME_UNKNOWN, ItemState.FAILED, by=None, now=NOW) is False


def test_names_that_differ_in_case_are_one_output(connection: Connection) -> None:
    """A folder may be shared with a file system that cannot tell them apart (scenario 49)."""
    prepare(connection, "A.jpg")
    connection.raw.execute("UPDATE item SET state = 'downloading', owner = 'me'")
    item = item_at(connection, "studio", "A.jpg")
    assert item is not None
    reserve_outputs(connection, [Reservation(item, OutputPath("/out", "A.webp"), 0, named("result"), 5)])
    found = output_at(connection, "/out/a.webp")

    assert found is not None
    assert ("/out/A.webp", "A.jpg") == (str(found.path), found.source)


def test_equal_rules_share_a_snapshot(connection: Connection) -> None:
    """The text names it."""
    first, second = (save_snapshot(connection, "studio", "{}") for _ in range(2))

    assert first == second


async def test_a_file_beside_two_in_doubt_waits_for_the_one_that_may_be_paid(tmp_path: Path) -> None:
    """The other only shares its doubt: should that file change, nobody else may be bought in its place."""
    unknown = "UPDATE item SET state = 'outcome_unknown', failure_code = 'RESULT_LOST' WHERE basename = x'63'"

    def write(connection: Connection) -> tuple[Item | None, Item | None]:
        prepare(connection)
        set_aside(connection, "studio", "a", STAT, ItemState.FAILED, "EMPTY", "it is empty", NOW)
        arrive(connection, arrival("c", "y"), NOW)
        connection.raw.execute(unknown)
        arrive(connection, arrival("a", "y"), NOW)
        arrive(connection, arrival("b", "y"), NOW)
        return item_at(connection, "studio", "b"), item_at(connection, "studio", "c")

    async with open_store(tmp_path / "state.db") as store:
        beside, paid = await store.write(write)

    assert beside is not None
    assert paid is not None
    assert (paid.id, ItemState.OUTCOME_UNKNOWN) == (beside.duplicate_of, beside.state)


async def test_the_end_waits_for_a_read_that_nobody_waits_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that hung answers while the program ends: SQLite would crash. What comes later still is refused."""
    order: list[str] = []
    began, hold = threading.Event(), threading.Event()
    close = SqliteConnection.close

    def closed(connection: SqliteConnection) -> None:
        order.append("closed")
        close(connection)

    monkeypatch.setattr(SqliteConnection, "close", closed)

    def work(connection: Connection) -> None:
        began.set()
        hold.wait(0.3)  # as long as a read takes; the end must not come before it
        connection.all("incidents")
        order.append("read")

    async with open_store(tmp_path / "state.db") as store:
        order.clear()
        reading = threading.Thread(target=store.read_here, args=(work,))
        reading.start()
        await anyio.to_thread.run_sync(began.wait)
    reading.join()

    assert ["read", "closed", "closed"] == order
    with pytest.raises(NotReadable, match="is closed"):
        store.read_here(work)
