"""The store on a server: it says what SQLite says, and bears what servers and networks do."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, nullcontext, suppress
from datetime import UTC
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
from backends import Backend, connection_to
from named_contents import named
from postgres_server import QUICK, Server, quick_server

from runflowd.core.lifecycle import BatchState, ItemState
from runflowd.core.model import BatchLimits, Stat
from runflowd.core.money import Budget, Money, RuleMoney
from runflowd.core.name_search import name_pattern
from runflowd.errors import StoreError
from runflowd.store import open_reader, open_store
from runflowd.store.arrivals import Arrival, arrive, set_aside
from runflowd.store.batches import mark_submitted
from runflowd.store.hosts import Session
from runflowd.store.items import items_of_batch
from runflowd.store.leases import Lease, claim_batches, free_leases, release
from runflowd.store.ledger import Stated, settle
from runflowd.store.moves import move
from runflowd.store.postgresql import dialect
from runflowd.store.reserving import Purchase
from runflowd.store.schema import in_memory
from runflowd.store.sealing import save_snapshot, seal
from runflowd.store.statements import STATEMENTS, statements
from runflowd.store.store import NotDurable, NotReadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runflowd.core.database import Database
    from runflowd.store import Connection, Store
    from runflowd.store.postgresql.connection import PostgresConnection

psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.0


@pytest.fixture
def database() -> Database:
    """One with the tables of the store, and no rows."""
    return quick_server().prepared()


@pytest.fixture
def connection(database: Database) -> Iterator[PostgresConnection]:
    """A connection to it."""
    with ExitStack() as stack:
        made = Backend(database, stack).connect()
        yield made  # type: ignore[misc]  # which is one of PostgreSQL


def test_every_statement_is_understood(connection: PostgresConnection) -> None:
    """The server parses each one against the schema, and finds a type for each value."""
    refused: dict[str, str] = {}
    connection.run("begin_plan")
    for name in connection.statements.keys() - {"begin_plan"}:
        text = connection.statements[name]
        for number, value in enumerate(dict.fromkeys(re.findall(r"%\((\w+)\)s", text)), start=1):
            text = text.replace(f"%({value})s", f"${number}")
        try:
            connection.raw.execute(f"PREPARE tried AS {text.replace('%%', '%')}")
            connection.raw.execute("DEALLOCATE tried")
        except connection.failures as error:
            refused[name] = str(error)

    assert {} == refused


def test_both_have_the_same_tables(connection: PostgresConnection) -> None:
    """Tables, columns, types, what may be NULL, and indexes; a migration is written for both."""
    file = in_memory().raw
    types = {"bigint": "INTEGER", "double precision": "REAL", "text": "TEXT", "bytea": "BLOB"}
    listed = connection.raw.execute(
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name <> 'schema_version'"
    )
    theirs = {(table, column): (types[kind], null == "NO") for table, column, kind, null in listed}
    tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
    ours = {
        (table, row[1]): (row[2] or "TEXT", bool(row[3] or row[5]))
        for table in tables
        for row in file.execute(f"PRAGMA table_xinfo({table})")
    }
    indexes = {
        name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    }
    known = {row[0] for row in connection.raw.execute("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")}
    file.close()

    assert ours == theirs
    assert set() == indexes - known


LOOKS: dict[str, dict[str, Any]] = {
    "failure_groups": {"limit": 5},
    "failed_items": {"limit": 5},
    "waiting_items": {"limit": 5},
    "ended_since": {"since": NOW},
    "busy_folders": {"since": NOW},
    "folder_ended": {"rule": "studio", "top": b"shoes", "since": NOW},
    "overdue": {},
    "files_left": {},
    "count_states": {},
    "count_in_flight": {},
    "latest_snapshots": {},
    "known_in_folder": {"rule": "studio", "dir": b"shoes"},
    "ready_groups": {},
    "rules_with_items": {},
    "sample_of_folder": {"rule": "studio", "left_behind": False, "dir": b"", "below": b"", "beyond": b"", "limit": 9},
    "versions_of": {"after": 0, "until": 99, "dir": b"shoes", "basename": b"a.jpg", "rule": None, "limit": 9},
    "reserved_besides": {},
    "charged": {"first": "", "last": "9", "currency": "USD"},
    "charged_last": {"service": "s", "model": "m", "rule": "studio"},
    "last_charges": {"service": "s", "model": "m", "currency": "USD", "limit": 9},
    "spend_by_folder": {"since": 0.0, "until": NOW * 2},
    "bought_since": {"since": NOW, "limit": 9, "currency": "USD"},
    "in_doubt": {},
    "next_delivery": {"paused": '["other"]'},
    "list_items": {"after": 0, "until": 99, "literal": b".jpg", "name": name_pattern("A.J"), "limit": 9},
    "list_of_state": {
        "rule": "studio",
        "state": "failed",
        "after": 0,
        "until": 99,
        "literal": b"shoes/",
        "name": "",
        "limit": 9,
    },
    "older_items": {
        "before": 99,
        "from": 0,
        "folder": b"",
        "first": b"",
        "end": b"",
        "name": name_pattern("A.J"),
        "limit": 9,
    },
    "older_of_batch": {
        **dict.fromkeys(("folder", "first", "end"), b""),
        "number": 1,
        "beside": 99,
        "states": '["queued", "submitted", "downloading", "ready", "done"]',
        "settled": 0,
        "rule": None,
        "name": name_pattern("JPG"),
        "limit": 9,
    },
    "count_superseded": {},
    "left_out_in_all": {"rules": '["studio"]', "limit": 9},
}
"""What is asked of both, the statements of PostgreSQL's own among them, with values."""


def live(connection: Connection) -> None:
    """A little of everything: folders, duplicates, failures of two causes, a batch that is overdue, money."""
    snapshot = save_snapshot(connection, "studio", '{"receipts": "/r"}')
    contents = {"shoes/a.jpg": "1", "shoes/new/b.jpg": "2", "c.jpg": "3", "hats/d.jpg": "4", "e.jpg": "3"}
    for number, (path, content) in enumerate(contents.items()):
        arrival = Arrival("studio", path, Stat(1, 2, 3), named(content), "image/jpeg", "r", {}, snapshot)
        arrive(connection, arrival, NOW - number)
    for number, path in enumerate(("x.jpg", "shoes/y.jpg", "z.jpg", "\udcff.jpg")):
        code = "EMPTY" if number % 2 else "TOO_LARGE"
        set_aside(connection, "studio", path, Stat(1, 2, 3), ItemState.FAILED, code, f"{code} 100%", NOW + number)
    set_aside(connection, "studio", "w.jpg", Stat(1, 2, 3), ItemState.WAITING, "BUSY", "busy", NOW - 9)
    seal(connection, Purchase(snapshot, "studio", "", "m", "s"), BatchLimits(max_items=3), Money(), NOW)
    (batch,) = claim_batches(connection, BatchState.SEALED, "s", Lease("us", NOW), 1)
    mark_submitted(connection, batch, items_of_batch(connection, batch.id), "remote", "guide", NOW)
    (batch,) = claim_batches(connection, BatchState.SUBMITTED, "s", Lease("us", NOW), 1)
    first, second, _ = items_of_batch(connection, batch.id)
    settle(connection, batch, [(second, Stated(Decimal("0.30")))], NOW)
    connection.run("set_cost", id=second.id, batch=batch.id, cost="0.30", currency="USD")
    move(connection, first.id, first.state, ItemState.DOWNLOADING, by=batch.claim, now=NOW)
    move(connection, second.id, second.state, ItemState.FAILED, by=batch.claim, now=NOW + 9, code="NO", reason="no")
    release(connection, batch, due_at=NOW, stalled_at=NOW)


def test_what_is_told_in_words_of_its_own_is_held_against_sqlite() -> None:
    """An edit of one text is easily forgotten in the other."""
    own = statements(Path(dialect.__file__).parent)
    looks = {name for name, text in own.items() if not re.search(r"^(UPDATE|CREATE)", text, re.MULTILINE)}

    assert set() == looks - LOOKS.keys()


def test_both_say_the_same(connection: PostgresConnection, tmp_path: Path) -> None:
    """Every look at the same rows has the same answer, in the same order where it asks for one."""
    with ExitStack() as stack:
        file = Backend(tmp_path / "state.db", stack).connect()
        for each in (file, connection):
            live(each)
        answers = {
            name: [_in_order(name, [_plain(row) for row in each.all(name, **values)]) for each in (file, connection)]
            for name, values in LOOKS.items()
        }

    assert [] == [name for name, (ours, theirs) in answers.items() if ours != theirs]
    assert [] == [
        name for name, (ours, _) in answers.items() if not ours and name not in {"left_out_in_all", "count_superseded"}
    ]


def _in_order(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as a statement orders them; what says nothing of an order may come in any."""
    return rows if "ORDER BY" in STATEMENTS[name] else sorted(rows, key=repr)


def _plain(row: Any) -> dict[str, Any]:
    """A row without what is drawn at random, truth as a number."""
    drawn = {"batch", "client_ref", "oldest", "owner", "reference", "snapshot"}
    return {
        name: row[name] + 0 if isinstance(row[name], bool) else row[name] for name in dict(row) if name not in drawn
    }


def save(value: str) -> Callable[[Connection], int]:
    """Remember something."""
    return lambda connection: connection.run("save_value", service="s", key=value, value=value)


async def saved(store: Store) -> set[str]:
    """What is remembered."""
    keys = "SELECT key FROM kv WHERE service = 's'"
    return await store.read(lambda connection: {row["key"] for row in connection.raw.execute(keys)})


def end(database: Database, victim: Connection) -> None:
    """The server ends a connection, as when the network between drops it."""
    with closing(connection_to(database)) as other:
        other.raw.execute("SELECT pg_terminate_backend(CAST(%s AS integer), 5000)", [victim.raw.info.backend_pid])


async def test_a_connection_that_is_lost_is_taken_up_again(database: Database) -> None:
    """What was under way did not happen, and says so; the next commit and the next look go on by themselves."""

    def lose(connection: Connection) -> None:
        save("lost")(connection)
        end(database, connection)
        save("never")(connection)

    async with open_store(database) as store:
        await store.write(save("before"))
        with pytest.raises(NotDurable, match=r"could not be written .* work goes on by itself then"):
            await store.write(lose)
        end(database, store._reader)
        await store.write(save("after"))
        with pytest.raises(NotReadable):
            await saved(store)

        assert {"before", "after"} == await saved(store)


class Lossy:
    """A connection whose answer to a COMMIT never comes; `done` says whether the server got it."""

    def __init__(self, raw: Any, *, done: bool) -> None:
        self._raw = raw
        self._done = done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def execute(self, text: str, *values: Any, **options: Any) -> Any:
        """Run a statement."""
        if text != "COMMIT":
            return self._raw.execute(text, *values, **options)
        if self._done:
            self._raw.execute(text)
        self._raw.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")


@pytest.mark.parametrize("done", [True, False])
async def test_the_outcome_of_a_commit_is_asked_for_when_its_answer_was_lost(database: Database, done: bool) -> None:
    """A claim that was made and not known of would be nobody's for as long as this process lives."""
    async with open_store(database) as store:
        store._writer.raw = Lossy(store._writer.raw, done=done)
        with nullcontext() if done else pytest.raises(NotDurable):
            await store.write(save("it"))

        assert ({"it"} if done else set()) == await saved(store)


async def test_claims_of_a_commit_that_happened_unknown_to_anybody_are_free_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server was away for longer than its outcome is asked for: nobody works on what was claimed in it."""
    monkeypatch.setattr("runflowd.store.postgresql.connection.RESOLVE_TIMEOUT", 0.0)
    async with open_store(database) as store:
        await store.write(live)
        await store.write(lambda connection: free_leases(connection, set()))
        claim = partial(claim_batches, state=BatchState.SUBMITTED, service="s", lease=Lease(store.owner, NOW), limit=9)
        store._writer.raw = Lossy(store._writer.raw, done=True)
        with pytest.raises(NotDurable):
            await store.write(claim)
        (batch,) = await store.write(claim)

        assert store.owner == batch.owner
        assert not store._writer.overlooked


async def test_a_turn_that_another_was_in_the_way_of_is_taken_again(database: Database) -> None:
    """All of it, and each answer is that of the turn that was committed."""
    turns: list[int] = []

    def work(connection: Connection) -> int:
        turns.append(connection.run("save_value", service="s", key=f"{len(turns)}", value=""))
        if len(turns) < 3:
            raise psycopg.errors.SerializationFailure("could not serialize access")
        return len(turns)

    async with open_store(database) as store:
        assert (3, {"2"}) == (await store.write(work), await saved(store))


async def test_a_statement_that_waits_for_the_next_one_fails_in_its_own_part(database: Database) -> None:
    """What others do in the same commit stays, and what was sent after it did not happen."""

    def refused(connection: Connection) -> None:
        save("gone")(connection)
        connection.send("save_output_of_nothing")

    def late(connection: Connection) -> None:
        connection.send("save_value", service="s", key="late", value="")
        connection.send("reserve_output", **dict.fromkeys(RESERVED))
        connection.send("save_value", service="s", key="later", value="")

    async with open_store(database) as store:
        async with anyio.create_task_group() as group:
            group.start_soon(store.write, save("before"))
            with pytest.raises(psycopg.errors.NotNullViolation):
                await store.write(late)
            with pytest.raises(KeyError):
                await store.write(refused)
            await store.write(lambda connection: connection.send("save_value", service="s", key="after", value=""))

        assert {"before", "after"} == await saved(store)


def test_what_is_sent_for_several_sets_of_values_answers_for_each(connection: PostgresConnection) -> None:
    """In their order, after what waits for it; as SQLite does it one by one."""
    for each in (connection, in_memory()):
        keys = [{"service": "s", "key": key} for key in "abc"]
        each.run_many("save_value", [{**keys[0], "value": "1"}, {**keys[2], "value": "3"}])
        read = [[row["value"] for row in rows] for rows in each.all_each("value", keys)]
        before = each.changes
        counts = each.run_each("drop_value", keys)

        assert ([["1"], [], ["3"]], [1, 0, 1], 2) == (read, counts, each.changes - before)
        assert ([], []) == (each.run_each("drop_value", []), each.all_each("value", []))


RESERVED = ("content_hash", "item", "key", "place", "position", "relative", "root", "size", "earlier")


async def test_writers_take_turns(database: Database) -> None:
    """A second process waits until the first has committed, and sees what that did."""
    with closing(connection_to(database)) as other:
        async with open_store(database) as store:
            other.begin()
            other.run("save_value", service="s", key="other", value="")
            seen: list[set[str]] = []

            async def write() -> None:
                keys = "SELECT key FROM kv WHERE service = 's'"
                seen.append(await store.write(lambda each: {row["key"] for row in each.raw.execute(keys)}))

            async with anyio.create_task_group() as group:
                group.start_soon(write)
                await anyio.to_thread.run_sync(_until_somebody_waits, database)
                await anyio.to_thread.run_sync(other.commit)

    assert [{"other"}] == seen


def test_who_is_stopped_in_the_middle_of_its_turn_loses_it(database: Database) -> None:
    """Also among statements that are sent together, where the server itself waits for ever (scenario 156)."""
    from runflowd.store.postgresql.turns import take_turn

    with closing(connection_to(database)) as stopped, closing(connection_to(database)) as other:
        stopped.begin()
        stopped.run("save_value", service="s", key="lost", value="")
        stopped.raw.pgconn.enter_pipeline_mode()
        stopped.raw.pgconn.send_query_params(b"SELECT 1", None)
        stopped.raw.pgconn.flush()
        take_turn(other.raw, standstill=0.3)
        found = other.one("value", service="s", key="lost")
        with pytest.raises(psycopg.OperationalError):
            stopped.commit()

    assert found is None


def test_who_writes_for_long_keeps_its_turn(database: Database) -> None:
    """Whoever waits goes on waiting as long as the other one gets on."""
    from runflowd.store.postgresql.turns import take_turn

    with closing(connection_to(database)) as busy, closing(connection_to(database)) as other:
        busy.begin()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(take_turn, other.raw, standstill=0.3)
            busy.raw.execute("SELECT pg_sleep(1.0)")
            early = waiting.done()
            busy.run("save_value", service="s", key="kept", value="")
            busy.commit()
            waiting.result(10)
        found = other.one("value", service="s", key="kept")

    assert (False, True) == (early, found is not None)


def _until_somebody_waits(database: Database) -> None:
    with closing(connection_to(database)) as looking:
        while not looking.raw.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()[0]:
            pass


async def test_a_second_daemon_is_refused(database: Database) -> None:
    """As over a state file."""
    async with open_store(database):
        with pytest.raises(StoreError, match="in use by another runflowd"):
            async with open_store(database):
                pass


async def test_a_daemon_comes_back_beside_its_own_ghost(database: Database) -> None:
    """The network dropped it, and the server has not noticed: the new connection ends the old one."""
    async with open_store(database) as store:
        ghost, store._writer.raw = store._writer.raw, closed(database)
        await store.write(save("it"))

        assert {"it"} == await saved(store)
        with pytest.raises(psycopg.OperationalError):
            ghost.execute("SELECT 1")


def closed(database: Database) -> Any:
    """A connection that is no more."""
    connection = connection_to(database)
    connection.close()
    return connection.raw


def test_a_database_of_somebody_else_is_left_alone() -> None:
    """It holds tables, and none of ours."""
    with quick_server().empty() as database:
        with psycopg.connect(database.address, autocommit=True) as raw:
            raw.execute("CREATE TABLE customers (id bigint)")
        with pytest.raises(StoreError, match=r"holds 1 tables that are not runflowd's.*createdb runflowd"):
            anyio.run(opened, database)
        with psycopg.connect(database.address) as raw:
            names = raw.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()

    assert [("customers",)] == names


async def opened(database: Database) -> None:
    """Open it for work, and close it again."""
    async with open_store(database):
        pass


async def test_a_new_database_gets_its_tables_from_whoever_works_not_from_who_looks() -> None:
    """A look changes nothing."""
    with quick_server().empty() as database:
        with pytest.raises(StoreError, match="is empty"):
            open_reader(database)
        await opened(database)
        with closing(open_reader(database)) as reader:
            assert [] == reader.all("incidents")


async def test_a_database_of_a_newer_runflowd_is_refused(database: Database) -> None:
    """Nothing in it is changed."""
    with closing(connection_to(database)) as other:
        other.raw.execute("UPDATE schema_version SET version = version + 900")
        try:
            with pytest.raises(StoreError, match="newer runflowd"):
                await opened(database)
            with pytest.raises(StoreError, match="newer runflowd"):
                open_reader(database)
        finally:
            other.raw.execute("UPDATE schema_version SET version = version - 900")


async def test_who_lost_its_way_during_an_upgrade_writes_nothing_on_its_return(database: Database) -> None:
    """A newer version had the tables for itself meanwhile: what this one would write may not be true there."""
    async with open_store(database) as store:
        with closing(connection_to(database)) as other:
            other.raw.execute("UPDATE schema_version SET version = version + 900")
            try:
                store._writer.raw.close()
                with pytest.raises(NotDurable, match=r"upgraded to schema 9\d\d.*version that the other hosts have"):
                    await store.write(save("it"))
            finally:
                other.raw.execute("UPDATE schema_version SET version = version - 900")
        await store.write(save("after"))

        assert {"after"} == await saved(store)


async def test_a_server_that_stops_and_starts_keeps_what_was_committed() -> None:
    """In between nothing is taken for written; what is not there, or only a replica, is a sentence."""
    server = Server(*QUICK, "synchronous_commit=on")
    try:
        server.execute("CREATE DATABASE here")
        async with open_store(server.database("here")) as store:
            await store.write(save("before"))
            server.stop("immediate")
            with pytest.raises(NotDurable):
                await store.write(save("meanwhile"))
            with pytest.raises(StoreError, match=r"cannot be opened .*Nothing is bought"):
                open_reader(server.database("here"))
            server.start()
            await store.write(save("after"))

            with suppress(NotReadable):
                await saved(store)
            assert {"before", "after"} == await saved(store)
        with pytest.raises(StoreError, match='database "nowhere" does not exist'):
            open_reader(server.database("nowhere"))
        server.stop("fast")
        server.become_replica()
        with pytest.raises(StoreError, match=r"is a replica.*Name the primary server"):
            await opened(server.database("here"))
    finally:
        server.remove()


def test_two_hosts_spend_one_allowance_once(database: Database) -> None:
    """Both see room for one more file in the same instant: whoever has the turn second finds it taken."""
    money = Money(UTC, Budget(per_day=Decimal("1.50")), {"studio": RuleMoney(price=Decimal("1.00"))})
    sealed, at_once = [], threading.Barrier(2)

    def buy(host: Connection) -> None:
        at_once.wait()
        host.begin()
        purchase = Purchase(save_snapshot(host, "studio", "{}"), "studio", "", "m", "https://service.example")
        sealed.append(seal(host, purchase, BatchLimits(max_items=1), money, NOW).count)
        host.commit()

    with closing(connection_to(database)) as one, closing(connection_to(database)) as other:
        one.begin()
        snapshot = save_snapshot(one, "studio", "{}")
        for path in ("a.jpg", "b.jpg"):
            arrive(one, Arrival("studio", path, Stat(1, 2, 3), named(path), "image/jpeg", "r", {}, snapshot), NOW)
        one.commit()
        threads = [threading.Thread(target=buy, args=[host]) for host in (one, other)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    assert [0, 1] == sorted(sealed)


def test_news_of_another_host_is_heard_at_once(database: Database) -> None:
    """One's own is none; without any the wait is as long as was said."""
    from runflowd.store.postgresql.opening import listener, open_for_work

    one, two = Session("one", "atelier", alone=False), Session("two", "attic", alone=False)
    with ExitStack() as stack:
        writer, _ = open_for_work(stack, database, one)
        hears, deaf = listener(stack, database, two), listener(stack, database, one)
        hears(0.01)
        deaf(0.01)
        began = time.monotonic()
        writer.begin()
        writer.run("save_value", service="", key="news", value="yes")
        writer.commit()
        hears(30.0)
        heard = time.monotonic() - began
        deaf(0.3)
        waited = time.monotonic() - began - heard

    assert heard < 10.0
    assert waited >= 0.3
