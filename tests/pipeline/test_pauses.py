"""A person stops a rule, and it stops buying; or the daemon stops itself and asks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from stage_rig import EPOCH, Rig, picture, rule, running

from runflowd.core.lifecycle import ItemState
from runflowd.core.model import BatchLimits, Existing
from runflowd.store.pauses import EVERY_RULE, pause, pauses, resume

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.store.pauses import Pause

pytestmark = pytest.mark.anyio


async def stop(rig: Rig, name: str) -> None:
    """Pause a rule as the command does."""
    await rig.store.write(lambda connection: pause(connection, name, "stock-taking", 1.0))


async def go_on(rig: Rig, name: str) -> None:
    """End the pause as the command does."""
    await rig.store.write(partial(resume, rule=name, now=EPOCH))


async def paused(rig: Rig) -> list[Pause]:
    """What is paused now."""
    return await rig.store.read(pauses)


@pytest.mark.parametrize("name", ["studio", EVERY_RULE])
async def test_a_paused_rule_buys_nothing_until_it_is_resumed(tmp_path: Path, name: str) -> None:
    """Its files are found and wait."""
    async with running(tmp_path) as rig:
        await stop(rig, name)
        rig.drop("a.jpg")
        await anyio.sleep(600)
        before = (await rig.states(), rig.charged())
        await go_on(rig, name)
        await rig.settled(1)

        assert (({"a.jpg": ItemState.READY}, []), [1]) == (before, rig.charged())


async def test_a_batch_that_was_sealed_before_the_pause_waits_as_well(tmp_path: Path) -> None:
    """What is not bought yet can still be stopped."""
    async with running(tmp_path) as rig:
        broke = {"route": "POST /v1/models/*", "kind": "status", "status": 402, "count": None}
        rig.switch(faults={"requests": [broke]})
        rig.drop("a.jpg")
        await rig.until(lambda states: ItemState.QUEUED in states.values())
        await stop(rig, "studio")
        await anyio.sleep(120)
        rig.switch(faults={})
        await anyio.sleep(3600)
        before = rig.charged()
        await go_on(rig, "studio")
        await rig.settled(1)

        assert ([], [1]) == (before, rig.charged())


async def test_what_was_bought_before_a_pause_is_delivered(tmp_path: Path) -> None:
    """It is paid for."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"runs": [{"kind": "slow", "seconds": 60}]})
        rig.drop("a.jpg")
        await rig.until(lambda states: ItemState.SUBMITTED in states.values())
        await stop(rig, "studio")
        await rig.settled(1)

        assert {"a.jpg"} == rig.outputs()


async def test_other_rules_go_on(tmp_path: Path) -> None:
    """A pause has a scope like any trouble."""
    other = rule(tmp_path / "x", name="other", batch=BatchLimits(quiet=1, max_wait=5))
    async with running(tmp_path, rule(tmp_path), other) as rig:
        await stop(rig, "studio")
        rig.drop("a.jpg")
        rig.drop("../x/in/b.jpg")
        await anyio.sleep(120)

        assert {"a.jpg": ItemState.READY, "b.jpg": ItemState.DONE} == await rig.states()


async def test_a_lost_state_file_over_old_results_asks_before_it_buys(tmp_path: Path) -> None:
    """The results say that all was bought once (scenario 63)."""
    for folder in ("in/shoes", "out/shoes"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "in/shoes/a.jpg").write_bytes(picture("a"))
    (tmp_path / "out/shoes/a.webp").write_bytes(b"a result of an earlier life")
    async with running(tmp_path) as rig:
        await anyio.sleep(600)
        before = (await rig.states(), [(each.rule, "shoes/a.webp" in each.reason) for each in await paused(rig)])
        await go_on(rig, "studio")
        await rig.settled(1)

        assert (({}, [("studio", True)]), [1], []) == (before, rig.charged(), await paused(rig))


async def test_old_results_are_kept_where_the_rule_says_so(tmp_path: Path) -> None:
    """`existing: skip` is the other answer to the question (scenario 63)."""
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
    (tmp_path / "in/a.jpg").write_bytes(picture("a"))
    (tmp_path / "out/a.jpg").write_bytes(b"a result of an earlier life")
    async with running(tmp_path) as rig:
        await anyio.sleep(60)
    async with running(tmp_path, rule(tmp_path, existing=Existing.SKIP)) as rig:
        await anyio.sleep(60)
        rig.drop("b.jpg")
        await rig.until(lambda states: states.get("b.jpg") is ItemState.DONE)

        assert ({"a.jpg": ItemState.SKIPPED, "b.jpg": ItemState.DONE}, []) == (await rig.states(), await paused(rig))


async def test_a_question_is_asked_once_and_outlives_a_restart(tmp_path: Path) -> None:
    """Nothing is bought because the daemon was started again (scenario 63)."""
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
    (tmp_path / "in/a.jpg").write_bytes(picture("a"))
    (tmp_path / "out/a.jpg").write_bytes(b"a result of an earlier life")
    for _ in range(2):
        async with running(tmp_path) as rig:
            await anyio.sleep(600)
            assert ([], ["studio"]) == (rig.charged(), [each.rule for each in await paused(rig)])


async def test_a_first_use_asks_nothing(tmp_path: Path) -> None:
    """Other files in the output folder are nobody's results."""
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
    (tmp_path / "in/a.jpg").write_bytes(picture("a"))
    (tmp_path / "out/notes.txt").write_bytes(b"mine")
    async with running(tmp_path) as rig:
        await rig.settled(1)

        assert ([1], []) == (rig.charged(), await paused(rig))
