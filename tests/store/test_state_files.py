"""State files that are not as they were left: torn, emptied, without room, killed in the middle of an upgrade."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from kept_state import unpack

from runflowd.errors import StoreError
from runflowd.store import open_reader, open_store, reading
from runflowd.store.pauses import PauseKind, pauses
from runflowd.store.schema import migrations
from runflowd.store.sqlite import Damaged, Newer, SqliteConnection, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

BEFORE_PLACES = 15
"""The schema before outputs were known by the folder that they were written below."""

OPEN = """
import anyio, pathlib, sys
from runflowd.store import open_store
async def main():
    async with open_store(pathlib.Path(sys.argv[1])):
        pass
anyio.run(main)
"""


def rows(path: Path) -> list[tuple[object, ...]]:
    """Every item of a state file."""
    with closing(sqlite3.connect(path)) as connection:
        upgraded = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'full_item'").fetchone()
        items = "full_item" if upgraded else "item"
        return connection.execute(f"SELECT id, rule, inode, client_ref FROM {items} ORDER BY id").fetchall()


def schema(path: Path) -> int:
    """The schema of a state file."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


async def opened(path: Path) -> None:
    """Open a state file for work and close it again."""
    async with open_store(path):
        pass


async def killed_while_opening(path: Path, point: str) -> int:
    """How a process ends that opens the state file and is killed at a point of the upgrade."""
    environment = {**os.environ, "RUNFLOWD_FAILPOINT": point}
    ended = await anyio.run_process([sys.executable, "-c", OPEN, str(path)], check=False, env=environment)
    return ended.returncode


@pytest.mark.parametrize("point", ["state.copied", "state.migrated"])
async def test_a_kill_in_the_middle_of_an_upgrade_is_survived(tmp_path: Path, point: str) -> None:
    """The file has the old schema or the new one, and all its rows (scenarios 69, 75)."""
    unpack(1, tmp_path)
    path = tmp_path / "state.db"
    before = rows(path)
    code = await killed_while_opening(path, point)
    await opened(path)

    assert (-signal.SIGKILL, before, len(migrations())) == (code, rows(path), schema(path))


async def test_an_upgrade_knows_the_codes_that_have_new_names(tmp_path: Path) -> None:
    """Otherwise what was open would be told as another incident, and what failed would have no remedy (scenario 69)."""
    unpack(9, tmp_path)
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM incident")
        connection.execute("INSERT INTO incident VALUES ('watch:a', 'WATCH_SILENT', '', '', 0, 0, 1, '')")
        connection.execute("UPDATE item SET failure_code = 'NOT_LISTED' WHERE state = 'failed'")
        for kind, body in (("incident", '{"codes": ["WATCH_SILENT"]}'), ("over", '{"kind": "over"}')):
            connection.execute("INSERT INTO notice VALUES (NULL, ?, 'watch:a', 0, ?, '', 0, 0)", (kind, body))
    await opened(path)

    with closing(sqlite3.connect(path)) as connection:
        found = [
            connection.execute(sql).fetchall()
            for sql in (
                "SELECT code FROM incident",
                "SELECT DISTINCT failure_code FROM item WHERE state = 'failed'",
                "SELECT kind, body FROM notice WHERE scope = 'watch:a' ORDER BY id",
            )
        ]
    notices = [("incident", '{"codes": ["WATCH_TIMEOUT"]}'), ("resolved", '{"kind": "resolved"}')]
    assert [[("WATCH_TIMEOUT",)], [("RESULT_MISSING",)], notices] == found


async def test_an_upgrade_keeps_what_was_asked_of_a_file_and_said_about_it(tmp_path: Path) -> None:
    """Requests stood in sizes, notes in numbers, and memories of messages in messages to nobody (scenario 69)."""
    unpack(12, tmp_path)
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        numbers = [number for (number,) in connection.execute("SELECT id FROM item ORDER BY id LIMIT 4")]
        before = [(100, 0), (-1, 1), (-2, 2), (0, 0)]
        for number, (size, noted) in zip(numbers, before, strict=True):
            connection.execute("UPDATE item SET size = ?, noted = ? WHERE id = ?", (size, noted, number))
        connection.execute("DELETE FROM notice")
        for channel in ("", "mail"):
            connection.execute("INSERT INTO notice VALUES (NULL, 'incident', 'watch:a', 1, '{}', ?, 2, 3)", (channel,))
    await opened(path)

    with closing(sqlite3.connect(path)) as connection:
        asked = "SELECT size, rescan_requested, rerun_requested, note_state FROM item ORDER BY id LIMIT 4"
        items = connection.execute(asked).fetchall()
        notices = connection.execute(
            "SELECT scope, at, channel, attempts, coalesce(due_at, over_at) FROM notice ORDER BY id"
        ).fetchall()
    assert [(100, 0, 0, "none"), (0, 1, 0, "written"), (0, 0, 1, "outdated"), (0, 0, 0, "none")] == items
    assert [("watch:a", 1.0, None, 2, 3.0), ("watch:a", 1.0, "mail", 2, 3.0)] == notices


async def test_an_upgrade_keeps_what_zeros_meant(tmp_path: Path) -> None:
    """Files that nobody deleted, incidents that are open or away, and marks of thresholds (scenario 69)."""
    unpack(BEFORE_PLACES, tmp_path)
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        numbers = [number for (number,) in connection.execute("SELECT id FROM item ORDER BY id LIMIT 3")]
        for number, absent_at in zip(numbers, (None, 0.0, 70.0), strict=True):
            connection.execute("UPDATE item SET absent_at = ?, found_at = 50 WHERE id = ?", (absent_at, number))
        connection.execute("DELETE FROM notice")
        for channel, due_at in ((None, 0.0), (None, 9.0), ("mail", 0.0)):
            values = (channel, due_at)
            connection.execute("INSERT INTO notice VALUES (NULL, 'incident', 'watch:a', 1, '{}', ?, 0, ?)", values)
    await opened(path)

    with closing(sqlite3.connect(path)) as connection:
        items = connection.execute("SELECT absent_at, left_behind FROM item ORDER BY id LIMIT 3").fetchall()
        notices = connection.execute("SELECT channel, due_at, over_at FROM notice ORDER BY id").fetchall()
    assert [(None, 0), (50.0, 1), (70.0, 0)] == items
    assert [(None, None, None), (None, None, 9.0), ("mail", 0.0, None)] == notices


async def test_an_upgrade_tells_below_which_folder_an_output_was_written(tmp_path: Path) -> None:
    """By the rule as its item has it, else as it was once, else by the folder that the file lies in (scenario 69)."""
    unpack(BEFORE_PLACES, tmp_path)
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        for name, output in (("now", "/out"), ("once", "/old"), ("deeper", "/old/x")):
            text = json.dumps({"output": output})
            connection.execute("INSERT INTO snapshot (id, rule, text) VALUES (?, 'studio', ?)", (name, text))
        connection.execute("UPDATE item SET rule = 'studio', snapshot = 'now' WHERE id = 1")
        connection.execute("DELETE FROM output")
        for place in (b"/out/a\xff/b.jpg", b"/old/x/c.jpg", b"/else/d.jpg", b"/outer/e.jpg"):
            connection.execute(
                "INSERT INTO output (path, key, item, position, content_hash, size) VALUES (?, '', 1, 0, '', 1)",
                (place,),
            )
    await opened(path)

    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT root, relative, path FROM output ORDER BY rowid").fetchall()
    expected = [(b"/out", b"a\xff/b.jpg"), (b"/old/x", b"c.jpg"), (b"/else", b"d.jpg"), (b"/outer", b"e.jpg")]
    assert {(root, name, root + b"/" + name) for root, name in expected} == set(found)


async def test_an_upgrade_renames_the_code_of_a_doubt_that_is_shared(tmp_path: Path) -> None:
    """Otherwise nothing would say what can be done about it (scenario 69)."""
    unpack(12, tmp_path)
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE item SET failure_code = 'TWIN_UNKNOWN' WHERE state = 'outcome_unknown'")
        connection.execute("UPDATE history SET code = 'TWIN_UNKNOWN' WHERE id = 1")
    await opened(path)

    with closing(sqlite3.connect(path)) as connection:
        codes = connection.execute(
            "SELECT failure_code FROM item WHERE state = 'outcome_unknown' UNION SELECT code FROM history WHERE id = 1"
        )
        assert [("ORIGINAL_UNKNOWN",)] == codes.fetchall()


async def test_an_upgrade_keeps_why_a_rule_is_paused(tmp_path: Path) -> None:
    """By a person, for what it cannot deliver, or while that is in doubt (scenario 69)."""
    unpack(20, tmp_path)
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        for rule, recipe, passing in (("a", "", 0), ("b", "hash", 0), ("c", "hash", 1)):
            connection.execute("INSERT INTO pause VALUES (?, 1, 'why', ?, ?)", (rule, recipe, passing))
    await opened(path)

    with reading(path) as reader:
        found = [(each.rule, each.kind, each.recipe, each.since, each.reason) for each in pauses(reader)]
    kinds = (("a", PauseKind.OPERATOR, None), ("b", PauseKind.UNDELIVERABLE, "hash"), ("c", PauseKind.IN_DOUBT, "hash"))
    assert [(*kind, 1.0, "why") for kind in kinds] == found


async def test_a_kill_while_the_first_state_file_is_made_leaves_none(tmp_path: Path) -> None:
    """It is made under another name, so that there is never an empty one (scenarios 63, 75)."""
    path = tmp_path / "state.db"
    code = await killed_while_opening(path, "state.migrated")
    left = path.exists()
    await opened(path)

    assert (-signal.SIGKILL, False, len(migrations())) == (code, left, schema(path))


async def test_an_emptied_state_file_is_refused_and_kept(tmp_path: Path) -> None:
    """Zero bytes are what a torn copy leaves; SQLite would take them for a new database (scenario 62)."""
    path = tmp_path / "state.db"
    path.touch()
    with pytest.raises(Damaged, match="it is empty"):
        await opened(path)

    assert path.stat().st_size == 0


async def test_a_log_without_its_state_file_is_refused(tmp_path: Path) -> None:
    """SQLite would throw the log away, and with it what was paid last (scenario 62)."""
    path = tmp_path / "state.db"
    log = path.with_name("state.db-wal")
    log.write_bytes(b"the last purchases")
    with pytest.raises(Damaged, match="its write-ahead log is still there"):
        await opened(path)

    assert (b"the last purchases", False) == (log.read_bytes(), path.exists())


async def test_a_folder_in_the_place_of_the_state_file_is_named(tmp_path: Path) -> None:
    """As when a volume was mounted at the wrong path (scenario 62)."""
    path = tmp_path / "state.db"
    path.mkdir()
    with pytest.raises(
        StoreError, match=r"state\.db: is a folder\. Name a file in it: `state: .*/state\.db/state\.db`"
    ):
        await opened(path)


@pytest.mark.parametrize("byte", [b"\xff", b"\0"], ids=["scribbled", "nul"])
async def test_scribbled_pages_are_refused(tmp_path: Path, byte: bytes) -> None:
    """A header that is whole says nothing about the pages behind it (scenario 62)."""
    unpack(len(migrations()), tmp_path)
    path = tmp_path / "state.db"
    data = path.read_bytes()
    path.write_bytes(data[:4096] + byte * (len(data) - 8192) + data[-4096:])
    with pytest.raises(Damaged):
        await opened(path)


async def test_an_upgrade_without_room_for_its_copy_changes_nothing(tmp_path: Path) -> None:
    """The copy comes first, and an upgrade without it does not happen (scenarios 64, 69)."""
    unpack(1, tmp_path)
    path = tmp_path / "state.db"
    before = rows(path)
    small = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n{OPEN}"
    ended = await anyio.run_process([sys.executable, "-c", small, str(path)], check=False)

    told = b"cannot be brought from schema 1" in ended.stderr
    assert (True, 1, before, []) == (told, schema(path), rows(path), list(tmp_path.glob("*.schema-1*")))  # noqa: ASYNC240


def test_a_reader_upgrades_nothing_and_says_who_does(tmp_path: Path) -> None:
    """After an upgrade of the program `status` is asked before the daemon was started anew (scenario 69)."""
    unpack(1, tmp_path)
    path = tmp_path / "state.db"

    with pytest.raises(StoreError, match="has schema 1, this program reads"):
        open_reader(path)
    assert 1 == schema(path)


def test_a_reader_refuses_a_newer_state_file(tmp_path: Path) -> None:
    """What it would read might mean something else (scenario 70)."""
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")

    with pytest.raises(Newer):
        open_reader(path)


@pytest.mark.parametrize("byte", [b"\xff", b"\0"], ids=["scribbled", "nul"])
def test_a_reader_of_a_file_whose_end_is_lost_says_so(tmp_path: Path, byte: bytes) -> None:
    """It opens, and only the rows cannot be read: `status` tells it as it tells any damage (scenario 62)."""
    unpack(len(migrations()), tmp_path)
    path = tmp_path / "state.db"
    data = path.read_bytes()
    sound = len(data) // 16384 * 4096  # what is asked for lies behind that, in whatever order the tables do
    path.write_bytes(data[:sound] + byte * (len(data) - sound))

    with pytest.raises(Damaged, match="runflowd backup"), reading(path) as connection:
        connection.all("count_states")


async def test_an_upgrade_loses_nothing_of_what_is_stored_once_and_as_bytes(tmp_path: Path) -> None:
    """Hashes, recipes, rule texts, batches, answers, results, uploads and charges are what they were (scenario 69)."""
    asked = {
        "SELECT * FROM item ORDER BY id": "SELECT * FROM full_item ORDER BY id",
        "SELECT path, item, content_hash, earlier FROM output ORDER BY path": (
            "SELECT path, item, lower(hex(content)) AS content_hash, earlier FROM output ORDER BY path"
        ),
        "SELECT content_hash, service, mime, asset_id, url FROM asset ORDER BY content_hash": (
            "SELECT lower(hex(content)) AS content_hash, service, mime, asset_id, url FROM asset"
            " JOIN asset_kind ON asset_kind.number = asset.kind ORDER BY content"
        ),
        "SELECT * FROM ledger ORDER BY id": "SELECT * FROM full_ledger ORDER BY id",
    }
    unpack(25, tmp_path)
    with closing(connect(tmp_path / "state.db")) as connection:
        connection.raw.execute(
            "INSERT INTO ledger (key, item, kind, amount, at, period, service, rule, dir, model, run, currency) VALUES "
            "('0aff', 1, 'charge', '0.3', 1.5, '2026-11-29', 's', 'done', x'ff', 'm', 'run-1', 'EUR'), "
            "('0aff', 1, 'refund', '-0.1', 2.5, '2026-11-29', 's', 'done', x'ff', 'm', 'run-1', 'EUR'), "
            "('0b', 2, 'presumed', '0.018', 3.5, '2026-11-30', 's', 'old', x'', 'n', '', 'USD')"
        )
        before = [[dict(row) for row in connection.raw.execute(sql)] for sql in asked]
    await opened(tmp_path / "state.db")

    with closing(connect(tmp_path / "state.db")) as connection:
        rows = [[dict(row) for row in connection.raw.execute(sql)] for sql in asked.values()]
        assert [] == connection.raw.execute("PRAGMA foreign_key_check").fetchall()
    after = [
        [{name: row[name] for name in known} for known, row in zip(*each, strict=True)]
        for each in zip(before, rows, strict=True)
    ]
    assert before == after
    assert all(before)


@contextmanager
def whole_reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements by which a state file is read whole, as they are run."""
    seen: list[str] = []

    def traced(path: Path, *, readonly: bool = False) -> SqliteConnection:
        made = connect(path, readonly=readonly)
        made.raw.set_trace_callback(lambda text: seen.append(text) if "quick_check" in text else None)
        return made

    monkeypatch.setattr("runflowd.store.opening.connect", traced)
    yield seen


def crashed(path: Path) -> None:
    """As after a kill: the lock file names a process that is gone."""
    path.with_name("state.db.lock").write_text("4000000\n", "ascii")


def changed(path: Path) -> None:
    """As after another program wrote it."""
    os.utime(path, ns=(1, 1))


def left_with_a_log(path: Path) -> None:
    """As after a process that never folded its log into the file."""
    path.with_name("state.db-wal").write_bytes(b"pages")


@pytest.mark.parametrize("what", [crashed, changed, left_with_a_log, None])
async def test_a_file_that_ended_in_order_is_not_read_whole_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: Callable[[Path], None] | None
) -> None:
    """Any other is: damage must be found before anything is bought on its strength (scenario 62)."""
    path = tmp_path / "state.db"
    await opened(path)
    if what is not None:
        what(path)
    with whole_reads(monkeypatch) as seen:
        await opened(path)

    assert (what is not None) == bool(seen)


async def test_a_process_that_fails_leaves_its_file_to_be_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed may be the file (scenario 62)."""
    path = tmp_path / "state.db"
    with pytest.raises(RuntimeError):
        async with open_store(path):
            raise RuntimeError
    with whole_reads(monkeypatch) as seen:
        await opened(path)

    assert seen
