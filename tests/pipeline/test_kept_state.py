"""State files of earlier schemas, as their programs left them, are upgraded and worked on by this one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import kept_state
import pytest
from kept_state import KEPT, unpack
from new_state import new_state
from stage_rig import running

from runflowd.core.snapshot import from_text
from runflowd.store import open_store
from runflowd.store.schema import migrations

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.store.items import Item

pytestmark = pytest.mark.anyio

SCHEMAS = range(1, len(migrations()) + 1)

ENDED = {
    "a.jpg": "done",
    "before.jpg": "skipped",
    "b.jpg": "done",
    "follows.jpg": "done",
    "gone.jpg": "outcome_unknown",
    "held.jpg": "waiting",
    "paid.jpg": "done",
    "ready-too.jpg": "done",
    "ready.jpg": "done",
    "running.jpg": "done",
    "text.jpg": "failed",
    "twin.jpg": "done",
    "unanswered.jpg": "done",
}


@pytest.fixture(params=SCHEMAS)
def version(request: pytest.FixtureRequest) -> int:
    """Every schema there has ever been."""
    number: int = request.param
    return number


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    """Ask a state file."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def states(items: list[Item]) -> dict[str, str]:
    """How each file stands, by its name."""
    return {item.path.rpartition("/")[2]: str(item.state) for item in items}


def test_a_kept_state_file_holds_rows_in_every_state(tmp_path: Path, version: int) -> None:
    """Otherwise it would show little: money on its way, an intent without an answer, trouble that is open."""
    unpack(version, tmp_path)

    assert set() == kept_state.WORTH_KEEPING - kept_state.kinds(tmp_path / "state.db")


async def test_a_kept_state_file_is_finished_without_buying_anything_twice(tmp_path: Path, version: int) -> None:
    """What it had in flight is delivered, what it had done stays done, each result byte for byte (scenario 69)."""
    unpack(version, tmp_path)
    async with running(tmp_path, *kept_state.rules(tmp_path, rescan=1_000.0)) as rig:
        with anyio.move_on_after(2_000):
            while states(await rig.items()) != ENDED:
                await anyio.sleep(20)
        await anyio.sleep(100)  # for whatever would be bought again
        items = await rig.items()

        done = [item for item in items if item.state == "done"]
        pairs = [(tmp_path / item.rule / "in" / item.path, tmp_path / item.rule / "out" / item.path) for item in done]
        assert (ENDED, {1}) == (states(items), set(rig.charged()))
        assert [source.read_bytes() for source, _ in pairs] == [target.read_bytes() for _, target in pairs]


async def test_an_upgrade_keeps_a_copy_of_the_state_file_as_it_was(tmp_path: Path, version: int) -> None:
    """Named after its schema and the process; the way back is to put it in place again (scenario 69)."""
    unpack(version, tmp_path)
    before = rows(tmp_path / "state.db", "SELECT * FROM item ORDER BY id")
    async with running(tmp_path, *kept_state.rules(tmp_path)):
        pass

    copies = list(tmp_path.glob("state.db.schema-*"))  # noqa: ASYNC240  # time stands still
    kept = [(rows(copy, "PRAGMA user_version"), rows(copy, "SELECT * FROM item ORDER BY id")) for copy in copies]
    assert ([([(version,)], before)] if version < len(migrations()) else []) == kept


async def test_an_upgraded_state_file_has_the_tables_of_a_new_one(tmp_path: Path, version: int) -> None:
    """One schema, whichever way led to it (scenario 69)."""
    shape = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    unpack(version, tmp_path)
    async with open_store(tmp_path / "state.db"):
        pass

    assert rows(new_state(tmp_path / "new.db"), shape) == rows(tmp_path / "state.db", shape)


async def test_an_upgraded_rule_keeps_its_id_and_its_settings(tmp_path: Path, version: int) -> None:
    """What was sealed under a rule as it was is sent and delivered under just that (scenario 69)."""
    unpack(version, tmp_path)
    before = rows(tmp_path / "state.db", "SELECT id FROM snapshot ORDER BY id")
    async with open_store(tmp_path / "state.db"):
        pass

    after = rows(tmp_path / "state.db", "SELECT id, text FROM snapshot ORDER BY id")
    found = {rule.name: rule for rule in (from_text(str(text)) for _, text in after)}
    kept = {rule.name: rule for rule in kept_state.rules(tmp_path) if rule.name in found}
    assert (before, kept) == ([(number,) for number, _ in after], found)


def test_there_is_a_kept_state_file_for_every_schema() -> None:
    """Before a schema is changed, one of the old is put by: `python -m kept_state` in `tests/support` makes it."""
    assert {f"schema-{number}.tar.gz" for number in SCHEMAS} == {path.name for path in KEPT.iterdir()}
