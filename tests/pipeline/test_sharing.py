"""What the stages do as one of several hosts: they leave alone what is another one's, and lose nothing by it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from stage_rig import rule, running

from runflowd.app.engine import _clean_up
from runflowd.core.fleet import Duties
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import After, AfterKind
from runflowd.files import TEMPORARY_PREFIX
from runflowd.pipeline.mounted import mark_outputs
from runflowd.store import Store
from runflowd.store.duties import give_up_duty, take_duty
from runflowd.store.store import NotReadable

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

pytestmark = pytest.mark.anyio

BOTH = Duties(intake={"studio": 1}, shared=True)


async def join(rig: Rig, duties: Duties = BOTH) -> None:
    """Be one of several, with the intake of the rule, as `fleet.membership` has it."""
    await rig.store.write(lambda connection: take_duty(connection, "intake:studio", rig.store.owner))
    rig.engine.context.duties = duties
    rig.engine.context.stage_events.notify_all()


async def test_results_wait_for_a_host_that_has_the_marked_folder(tmp_path: Path) -> None:
    """In the folder that stands where a share is not mounted nothing is placed; no try of the file counts."""
    async with running(tmp_path) as rig:
        await join(rig)
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.DOWNLOADING)
        await anyio.sleep(60)
        waiting = [(item.state, item.attempts) for item in await rig.items()], rig.outputs()
        await mark_outputs(rig.engine.context, rig.engine.context.rules["studio"])
        await rig.settled(1)

        assert ([(ItemState.DOWNLOADING, 0)], set()) == waiting
        assert ({"a.jpg"}, [1]) == (rig.outputs(), rig.charged())


async def test_a_source_that_is_disposed_of_takes_the_watched_folder_as_well(tmp_path: Path) -> None:
    """Its share is gone on this host before the result is there."""
    disposing = rule(tmp_path, after=After(AfterKind.DELETE, ""))
    async with running(tmp_path, disposing) as rig:
        await mark_outputs(rig.engine.context, disposing)
        rig.switch(faults={"runs": [{"kind": "slow", "seconds": 30.0, "count": None}]})
        await join(rig)
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.SUBMITTED)
        await join(rig, replace(BOTH, intake={}))
        (tmp_path / "in").rename(tmp_path / "away")
        (tmp_path / "in").mkdir()
        await anyio.sleep(120)
        waiting = [item.state for item in await rig.items()]
        (tmp_path / "in").rmdir()
        (tmp_path / "away").rename(tmp_path / "in")
        await rig.settled(1)

        assert [ItemState.DOWNLOADING] == waiting
        assert ({"a.jpg"}, []) == (rig.outputs(), list((tmp_path / "in").glob("*.jpg")))


async def test_what_is_new_is_sent_where_the_watched_folder_is(tmp_path: Path) -> None:
    """A host that sees an empty folder in its place takes no file for gone."""
    async with running(tmp_path) as rig:
        await mark_outputs(rig.engine.context, rig.engine.context.rules["studio"])
        await join(rig, replace(BOTH, unsent=frozenset({"studio"})))
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.QUEUED)
        (tmp_path / "in").rename(tmp_path / "away")
        (tmp_path / "in").mkdir()
        await join(rig, replace(BOTH, intake={}))
        await anyio.sleep(60)
        waiting = [(item.state, item.attempts) for item in await rig.items()], rig.charged()
        (tmp_path / "in").rmdir()
        (tmp_path / "away").rename(tmp_path / "in")
        await rig.settled(1)

        assert ([(ItemState.QUEUED, 0)], []) == waiting
        assert ({"a.jpg"}, [1]) == (rig.outputs(), rig.charged())


async def test_a_host_that_lost_the_intake_records_nothing(tmp_path: Path) -> None:
    """Another one took it over while this one was away; it notes that with its next look."""
    async with running(tmp_path) as rig:
        await join(rig)
        await anyio.sleep(20)
        await rig.store.write(lambda connection: give_up_duty(connection, "intake:studio", rig.store.owner))
        rig.drop("a.jpg")
        await anyio.sleep(60)
        lost = await rig.items()
        await rig.store.write(lambda connection: take_duty(connection, "intake:studio", rig.store.owner))
        rig.engine.context.duties = replace(BOTH, intake={"studio": 2})
        await mark_outputs(rig.engine.context, rig.engine.context.rules["studio"])
        await rig.settled(1)

        assert ([], [1]) == (lost, rig.charged())


async def test_files_that_another_host_read_are_not_read_again_for_other_inodes(tmp_path: Path) -> None:
    """Size and time are the same; the inodes of this host are put on record."""
    async with running(tmp_path) as rig:
        path = rig.drop("a.jpg")
        await rig.settled(1)
        await rig.store.write(lambda connection: connection.raw.execute("UPDATE item SET inode = 1").rowcount)
        steps = "SELECT count(*) FROM history"
        before = await rig.store.read(lambda connection: connection.raw.execute(steps).fetchone()[0])
        await join(rig)
        await anyio.sleep(60)
        after = await rig.store.read(lambda connection: connection.raw.execute(steps).fetchone()[0])
        (item,) = await rig.items()

        assert (path.stat().st_ino, before, [1]) == (item.stat.inode, after, rig.charged())


async def test_a_host_that_is_not_seen_claims_nothing(tmp_path: Path) -> None:
    """Its stages turn, and take nothing on until it is seen again."""
    async with running(tmp_path) as rig:
        await mark_outputs(rig.engine.context, rig.engine.context.rules["studio"])
        await join(rig, replace(BOTH, until=0.0))
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.QUEUED)
        await anyio.sleep(120)
        waiting, alive = await rig.states(), rig.engine.is_alive(rig.engine.context.clock.now())
        await join(rig)
        await rig.settled(1)

        assert ({"a.jpg": ItemState.QUEUED}, True, [1]) == (waiting, alive, rig.charged())


async def test_a_start_outlives_a_store_that_cannot_be_asked_who_else_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed run may have left in the output folder stays: another host may be writing just that."""
    async with running(tmp_path) as rig:
        await join(rig)
        left = tmp_path / "out" / f"{TEMPORARY_PREFIX}abc"
        left.parent.mkdir(exist_ok=True)
        left.write_bytes(b"half")

        async def refused(_: Store, work: object) -> None:
            raise NotReadable(rig.store.place, "could not be read")

        with monkeypatch.context() as patch:
            patch.setattr(Store, "read", refused)
            await _clean_up(rig.engine.context, rig.engine.context.rules["studio"])

        assert left.exists()
