"""A disk that does not answer: what the state file then says, and that it goes on when the disk does."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
from failing_calls import Calls, fail_database

from runflowd.control.offline_backend import OfflineBackend
from runflowd.store import open_store
from runflowd.store.sqlite import connect
from runflowd.store.store import NotDurable, NotReadable

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.store import Connection

pytestmark = pytest.mark.anyio


def remember(connection: Connection) -> None:
    """Write something."""
    connection.run("save_value", service="s", key="it", value="is written")


def recall(connection: Connection) -> str | None:
    """What was written."""
    row = connection.one("value", service="s", key="it")
    return row["value"] if row else None


async def test_what_cannot_be_read_is_reported_as_trouble_with_the_state_file(tmp_path: Path) -> None:
    """Every stage knows how to wait for that; an error of SQLite would end the daemon (scenario 64)."""
    calls = Calls(fatal=1, code=errno.EIO)
    async with open_store(tmp_path / "state.db") as store:
        fail_database(calls, store)
        calls.arm()

        with pytest.raises(NotReadable, match=r"state.db: could not be read \(disk I/O error\)"):
            await store.read(recall)

        assert await store.read(recall) is None


async def test_a_disk_that_refuses_even_the_way_back_leaves_nothing_half_done(tmp_path: Path) -> None:
    """From the statement to its undoing everything fails; the next change finds a sound file (scenario 64)."""
    calls = Calls(fatal=3, code=errno.ENOSPC, lasting=True)
    async with open_store(tmp_path / "state.db") as store:
        fail_database(calls, store)
        calls.arm()

        with pytest.raises(NotDurable, match="database or disk is full"):
            await store.write(remember)
        calls.heal()
        lost = await store.read(recall)
        await store.write(remember)

        assert (None, "is written") == (lost, await store.read(recall))


async def test_the_store_says_why_nothing_can_be_written_until_something_is(tmp_path: Path) -> None:
    """No incident can be on record of that, so whoever asks the daemon is told (scenario 64)."""
    calls = Calls(fatal=1, code=errno.ENOSPC, lasting=True)
    async with open_store(tmp_path / "state.db") as store:
        fail_database(calls, store)
        calls.arm()
        with pytest.raises(NotDurable) as failed:
            await store.write(remember)
        meanwhile = store.unwritten
        calls.heal()
        await store.write(remember)

        assert (str(failed.value), "") == (meanwhile, store.unwritten)


async def test_what_is_read_in_one_go_is_of_one_moment(tmp_path: Path) -> None:
    """Two statements of one read, with a commit between them, see the same state."""
    async with open_store(tmp_path / "state.db") as store:
        other = connect(tmp_path / "state.db")

        def twice(connection: Connection) -> tuple[str | None, str | None]:
            before = recall(connection)
            remember(other)
            return before, recall(connection)

        seen = await store.read(twice)
        after = await store.read(recall)
        other.raw.close()

    assert ((None, None), "is written") == (seen, after)


async def test_a_read_that_raises_leaves_the_next_one_fresh(tmp_path: Path) -> None:
    """A snapshot left open would show the past for ever."""

    def refuse(connection: Connection) -> None:
        recall(connection)
        raise LookupError

    async with open_store(tmp_path / "state.db") as store:
        with pytest.raises(LookupError):
            await store.read(refuse)
        await store.write(remember)

        assert "is written" == await store.read(recall)


async def test_a_state_file_that_another_program_holds_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing about free space, which is not what is missing; the daemon and a command without one say the same."""
    monkeypatch.setattr("runflowd.store.sqlite.BUSY_WAIT", 0.01)
    config = tmp_path / "runflowd.yaml"
    config.write_text(f"service: local\nstate: {tmp_path / 'state.db'}\nrules: {{}}\n")
    held = "state.db: another program holds it"
    async with open_store(tmp_path / "state.db") as store:
        holder = connect(tmp_path / "state.db")
        holder.raw.execute("BEGIN IMMEDIATE")

        with pytest.raises(NotDurable, match=held):
            await store.write(remember)
        with pytest.raises(NotDurable, match=held):
            OfflineBackend(config).answer("pause", {"everything": True})
        holder.raw.close()
