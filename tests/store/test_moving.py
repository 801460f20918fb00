"""A state moved from a file to a database and back: the same rows at both ends, and never two places that work."""

from __future__ import annotations

import signal
import sqlite3
import tempfile
from contextlib import ExitStack, closing, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from backends import connection_to
from doomed import live_until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgres_server import quick_server

from runflowd.core.database import Database
from runflowd.errors import StateInUse, StoreError
from runflowd.store import open_reader, open_store
from runflowd.store.moved import Moved, Unfinished
from runflowd.store.moving import Differs, Gone, NotEmpty, move, preview, reopen
from runflowd.store.schema import create_if_missing
from runflowd.store.sqlite import connect
from runflowd.store.tables import SqliteTables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.store.tables import Columns
    from runflowd.system.paths import Place

psycopg = pytest.importorskip("psycopg")

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "INTEGER": st.integers(-(2**63), 2**63 - 1),
    "REAL": st.floats(allow_nan=False, allow_infinity=False),
    "TEXT": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
    "BLOB": st.binary(max_size=8),
}
"""What a column of each type takes. No text that people or services write into a state holds a NUL."""

CHOICES: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(
        ("approved", "everything", "left_behind", "rerun_requested", "rescan_requested", "verdict_due"),
        st.sampled_from([0, 1]),
    ),
    **dict.fromkeys(("batch", "snapshot"), st.sampled_from(["a", "b"])),
    **dict.fromkeys(("number", "recipe_number", "snapshot_number", "batch_number"), st.sampled_from([1, 2])),
    "asset.kind": st.sampled_from([1, 2]),
    "source_state": st.sampled_from(["kept", "needed"]),
    "id": st.integers(1, 2**62),
    "item": st.integers(1, 9),
    "kind": st.sampled_from(["operator", "undeliverable", "charge"]),
    **dict.fromkeys(("note_state", "receipt_state"), st.sampled_from(["none", "written"])),
    "pixels": st.integers(1, 9),
    "place": st.sampled_from(["output", "held"]),
    "review": st.sampled_from(["none", "waiting"]),
    "verdict": st.sampled_from(["accept", "undo"]),
}
"""Columns that take only some values, or refer to others."""


@cache
def shape() -> tuple[Columns, dict[tuple[str, str], tuple[str, bool]]]:
    """The columns of a state file by table; the type of each, and whether it may be empty."""
    with tempfile.TemporaryDirectory() as folder:
        create_if_missing(path := Path(folder, "state.db"))
        with closing(connect(path).raw) as raw:
            columns = SqliteTables(raw).columns()
            kinds = {
                (table, row["name"]): (row["type"], not row["notnull"] and not row["pk"])
                for table in columns
                for row in raw.execute(f"PRAGMA table_xinfo({table})")
            }
    return columns, kinds


def rows_of(table: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    """A few rows of a table."""
    columns, kinds = shape()
    values = {}
    for column in columns[table]:
        kind, empty = kinds[table, column]
        is_text_id = column == "id" and kind == "TEXT"
        value = (
            st.sampled_from(["a", "b"])
            if is_text_id
            else CHOICES.get(f"{table}.{column}", CHOICES.get(column, VALUES[kind]))
        )
        values[column] = st.none() | value if empty else value
    return st.lists(st.fixed_dictionaries(values), max_size=2)


states = st.deferred(lambda: st.fixed_dictionaries({table: rows_of(table) for table in shape()[0]}))


def filled(path: Path, state: dict[str, list[dict[str, Any]]]) -> Path:
    """A state file with these rows, but for those that it refuses."""
    create_if_missing(path)
    with closing(connect(path).raw) as raw:
        for table, rows in state.items():
            for row in rows:
                with suppress(sqlite3.IntegrityError):
                    names = ", ".join(row)
                    raw.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", [*row.values()])
    return path


def held(place: Place) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of a place in the order of their columns' names, without what says where the work goes on."""
    with closing(connection_to(place)) as connection:
        connection.begin_reading()
        tables = connection.tables()
        return {
            table: sorted((row for row in tables.read(table, columns) if not str(row).startswith("('state-")), key=repr)
            for table, columns in tables.columns().items()
        }


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A state file with a little in it."""
    return filled(tmp_path / "state.db", {"snapshot": [{"id": "a", "rule": "r", "text": "{}"}], "pause": [PAUSE]})


PAUSE = {"rule": "", "since": 1.0, "reason": "stocktaking", "kind": "operator", "recipe": None}


@pytest.fixture(params=["into a database", "out of one", "to another file"])
def ends(request: pytest.FixtureRequest, tmp_path: Path, place: Path) -> Iterator[tuple[Place, Place]]:
    """A place with a state, and an empty one."""
    with ExitStack() as stack:
        if request.param == "to another file":
            yield place, tmp_path / "other.db"
            return
        database = stack.enter_context(quick_server().empty())
        if request.param == "into a database":
            yield place, database
        else:
            move(place, database)
            yield database, tmp_path / "other.db"


def works(place: Place) -> bool:
    """Whether a daemon may start there."""

    async def opened() -> None:
        async with open_store(place):
            pass

    try:
        anyio.run(opened)
    except (Moved, Unfinished):
        return False
    return True


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(states)
def test_there_and_back_again_nothing_has_changed(state: dict[str, list[dict[str, Any]]]) -> None:
    """Whatever a state holds."""
    with tempfile.TemporaryDirectory() as folder:
        first, last, database = (
            filled(Path(folder, "first.db"), state),
            Path(folder, "last.db"),
            quick_server().prepared(),
        )
        before = held(first)
        there = move(first, database)
        between = held(database)
        back = move(database, last)

        assert (before, before, there) == (between, held(last), back)
        assert {table: len(rows) for table, rows in before.items()} == {name: each.rows for name, each in there.items()}


def test_numbers_go_on_above_the_highest(place: Path) -> None:
    """A row that is added has a number that none had; the older text of a rule is still the older one."""
    add = "INSERT INTO history (item, at, state) VALUES (1, 2.0, 'done')"
    with closing(connect(place).raw) as raw:
        raw.execute(
            "INSERT INTO item (id, rule, dir, basename, size, mtime_ns, inode, state, reference, found_at)"
            " VALUES (1, 'r', x'', x'61', 1, 1, 1, 'done', x'63', 1)"
        )
        raw.execute("INSERT INTO history (id, item, at, state) VALUES (41, 1, 1.0, 'ready')")
        raw.execute("UPDATE snapshot SET number = 3")
        raw.execute("INSERT INTO snapshot (number, id, rule, text) VALUES (7, 'new', 'r', '2'), (5, 'old', 'r', '1')")
    with quick_server().empty() as database:
        move(place, database)
        with closing(connection_to(database)) as connection:
            connection.raw.execute(add)
            ids = [row[0] for row in connection.raw.execute("SELECT id FROM history ORDER BY id")]
            newest = [row["text"] for row in connection.all("latest_snapshots")]

    assert ([41, 42], ["2"]) == (ids, newest)


def test_the_old_place_refuses_and_names_the_new_one(ends: tuple[Place, Place]) -> None:
    """For work, for a look, and for a second move."""
    source, target = ends
    move(source, target)

    assert (False, True) == (works(source), works(target))
    for attempt in (partial(open_reader, source), partial(move, source, target)):
        with pytest.raises(Moved) as said:
            attempt()
        assert str(target) in str(said.value)


@pytest.mark.parametrize("point", ["move.filled", "move.copied", "move.left"])
def test_a_kill_on_the_way_leaves_one_place_that_works(ends: tuple[Place, Place], point: str) -> None:
    """The other one refuses, or is as empty as it was; all that was there is at the one that works."""
    source, target = ends
    before = held(source)

    async def life() -> None:
        move(source, target)

    code = live_until(point, life)
    arrived = {name: rows for name, rows in held(target).items() if rows}
    working = [each for each in ends if works(each)]

    if point == "move.filled":
        assert (-signal.SIGKILL, {}, before) == (code, arrived, held(source))
        assert source in working
    else:
        assert (-signal.SIGKILL, [source if point == "move.copied" else target]) == (code, working)
        assert before == held(working[0])


@pytest.mark.parametrize("point", ["move.copied", "move.left"])
def test_a_move_that_was_cut_short_can_be_finished(ends: tuple[Place, Place], point: str) -> None:
    """By `reopen` at the new place, or by the same command once the old one has let go."""
    source, target = ends
    before = held(source)

    async def life() -> None:
        move(source, target)

    live_until(point, life)
    if point == "move.copied":
        with pytest.raises(Unfinished):
            move(source, target)
        reopen(target, lost=False)
    else:
        move(source, target)

    assert (False, True, before) == (works(source), works(target), held(target))


def test_a_place_that_was_left_works_again_while_nothing_has_happened_at_the_new_one(ends: tuple[Place, Place]) -> None:
    """Then that one refuses; killed on the way, one of the two works all the same."""
    source, target = ends
    move(source, target)

    async def life() -> None:
        reopen(source, lost=False)

    for point, working in (("move.copied", target), ("move.left", source)):
        live_until(point, life)
        assert [working] == [each for each in ends if works(each)]


def test_a_place_that_was_left_stays_so_once_the_new_one_has_gone_on(ends: tuple[Place, Place]) -> None:
    """What was bought there would be bought again."""
    source, target = ends
    move(source, target)
    with closing(connection_to(target)) as connection:
        connection.begin()
        connection.run("save_value", service="s", key="bought", value="1")
        connection.commit()

    with pytest.raises(Differs, match=r"\(kv differ\)"):
        reopen(source, lost=False)
    assert (False, True) == (works(source), works(target))


def test_a_new_place_that_is_lost_is_given_up_only_on_demand(place: Path, tmp_path: Path) -> None:
    """The remedy says what that costs, and works."""
    move(place, tmp_path / "other.db")
    (tmp_path / "other.db").unlink()

    with pytest.raises(Gone, match="reopen --lost"):
        reopen(place, lost=False)
    reopen(place, lost=True)
    assert works(place)


def test_what_holds_something_is_never_written_over(ends: tuple[Place, Place], tmp_path: Path) -> None:
    """Be it another state, or tables of somebody else."""
    source, target = ends
    with quick_server().empty() as foreign:
        with psycopg.connect(foreign.address, autocommit=True) as raw:
            raw.execute("CREATE TABLE customers (id bigint)")
        with pytest.raises(StoreError, match="not runflowd's"):
            move(source, foreign)
    second = filled(tmp_path / "second.db", {"pause": [PAUSE]})
    move(second, target)
    with pytest.raises(NotEmpty, match="rows in pause"):
        move(source, target)
    with pytest.raises(NotEmpty):
        preview(source, target)

    assert (True, True) == (works(source), works(target))


@pytest.mark.parametrize("end", [0, 1])
def test_a_daemon_at_either_end_is_in_the_way(ends: tuple[Place, Place], end: int) -> None:
    """Nothing is copied, and nothing is marked."""

    async def beside_a_daemon() -> None:
        async with open_store(ends[end]):
            await anyio.to_thread.run_sync(partial(move, *ends))

    with pytest.raises(StateInUse):
        anyio.run(beside_a_daemon)
    assert (True, True) == (works(ends[0]), works(ends[1]))


def test_a_preview_changes_nothing(ends: tuple[Place, Place]) -> None:
    """It says what would be copied, to a place that is not even made."""
    source, target = ends
    seen = preview(source, target)

    assert isinstance(target, Database) or not target.exists()
    assert seen == move(source, target)
