"""Old files under the present recipe, and results that somebody deleted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from stage_rig import EPOCH, picture, rule, running

from runflowd.core.lifecycle import ItemState
from runflowd.store.retries import retry
from runflowd.store.rule_edits import results_elsewhere

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.core.model import Rule

pytestmark = pytest.mark.anyio


async def rerun(rig: Rig, *, missing: bool = False, patterns: tuple[str, ...] = ()) -> dict[str, str]:
    """Do what the command does; give what was chosen for each path."""
    chosen = (await rig.ask("rerun-choose", rule="studio", missing=missing, patterns=patterns))["items"]
    todo = [item for item in chosen if item["what"] in {"buy", "copy", "fetch"}]
    await rig.ask("rerun", items=todo, missing=missing)
    return {item["path"]: item["what"] for item in chosen}


def inputs_stale(folder: Path) -> Rule:
    """The rule of the rig with another prompt."""
    return rule(folder, input={"image_url": "${file.url}", "prompt": "at dusk"})


async def test_a_changed_rule_is_applied_to_old_files(tmp_path: Path) -> None:
    """They are bought anew, once, and the new result takes the place of the old one."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        rig.engine.context.rules = {"studio": inputs_stale(tmp_path)}
        await anyio.sleep(60)
        before = rig.charged()
        first = await rerun(rig)
        await anyio.sleep(60)
        again = await rerun(rig)
        await anyio.sleep(60)

        assert ([1], [1, 1]) == (before, rig.charged())
        assert ({"a.jpg": "buy"}, {"a.jpg": "same"}, {"a.jpg"}) == (first, again, rig.outputs())


async def test_patterns_choose_among_the_files(tmp_path: Path) -> None:
    """What they do not match stays as it is."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        rig.drop("x/b.jpg")
        await rig.settled(2)
        rig.engine.context.rules = {"studio": inputs_stale(tmp_path)}
        chosen = await rerun(rig, patterns=("x/*",))
        await anyio.sleep(60)

        assert ({"x/b.jpg": "buy"}, [1, 1, 1]) == (chosen, rig.charged())


async def test_a_request_is_over_once_its_file_was_sent(tmp_path: Path) -> None:
    """On the row of the earlier content, too: what is asked for is looked up at every turn."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        rig.engine.context.rules = {"studio": inputs_stale(tmp_path)}
        await rerun(rig)
        await anyio.sleep(60)

        assert [(False, False), (True, False)] == sorted((item.current, item.requested) for item in await rig.items())


async def test_a_rerun_keeps_a_result_that_somebody_edited(tmp_path: Path) -> None:
    """The new one stands beside it (scenario 53)."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        (tmp_path / "out/a.jpg").write_bytes(picture("retouched"))
        rig.engine.context.rules = {"studio": inputs_stale(tmp_path)}
        await rerun(rig)
        await anyio.sleep(60)

        assert picture("retouched") == (tmp_path / "out/a.jpg").read_bytes()
        assert {"a.jpg", "a (jpg).jpg"} == rig.outputs()


async def test_a_file_that_is_gone_is_left_out(tmp_path: Path) -> None:
    """There is nothing to send."""
    async with running(tmp_path) as rig:
        path = rig.drop("a.jpg")
        rig.drop("b.jpg")
        await rig.settled(2)
        path.unlink()
        rig.engine.context.rules = {"studio": inputs_stale(tmp_path)}

        assert {"a.jpg": "gone", "b.jpg": "buy"} == await rerun(rig)


async def test_a_deleted_result_comes_back_at_no_cost(tmp_path: Path) -> None:
    """It was paid for, and the service has it; what somebody edited is there and left alone (scenario 54)."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg", seed=1)
        rig.drop("b.jpg", seed=2)
        await rig.settled(2)
        (tmp_path / "out/a.jpg").unlink()
        (tmp_path / "out/b.jpg").write_bytes(picture("retouched"))
        paid = {item.path: item.ended_at for item in await rig.items()}
        await anyio.sleep(60)
        chosen = await rerun(rig, missing=True)
        await rig.settled(2)

        assert ({"a.jpg": "fetch", "b.jpg": "same"}, [1, 1]) == (chosen, rig.charged())
        assert paid == {item.path: item.ended_at for item in await rig.items()}, "the spend of today is none of it"
        assert picture(1) == (tmp_path / "out/a.jpg").read_bytes()
        assert {"a.jpg", "b.jpg"} == rig.outputs()


async def test_a_result_the_service_has_no_more_is_bought_only_when_asked_to(tmp_path: Path) -> None:
    """The file says why it cannot be had; the operator decides."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        (tmp_path / "out/a.jpg").unlink()
        rig.switch(faults={"requests": [{"route": "GET /storage/*", "kind": "status", "status": 404, "count": None}]})
        await rerun(rig, missing=True)
        await rig.until(lambda states: states["a.jpg"] is ItemState.OUTCOME_UNKNOWN)
        before = ([item.failure_code for item in await rig.items()], rig.charged())
        rig.switch(faults={})
        lost = next(item for item in await rig.items() if item.current)
        await rig.store.write(partial(retry, item=lost, now=EPOCH, buy_again=True))
        await rig.until(lambda states: states["a.jpg"] is ItemState.DONE)

        assert ((["RESULT_LOST"], [1]), [2]) == (before, rig.charged())


async def test_results_follow_an_edited_output_at_no_cost(tmp_path: Path) -> None:
    """From the old place, though the service has them no more; there they stay as well (scenario 145)."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        rig.drop("x/b.jpg")
        await rig.settled(2)
        old = rig.outputs()
    moved = rule(tmp_path, output=str(tmp_path / "new/out"))
    async with running(tmp_path, moved) as rig:
        before = await rig.store.read(partial(results_elsewhere, rule=moved))
        rig.switch(faults={"requests": [{"route": "GET /*", "kind": "status", "status": 404, "count": None}]})
        first = await rerun(rig, missing=True)
        with anyio.fail_after(600):
            while not (tmp_path / "new/out/x/b.jpg").exists() or not (tmp_path / "new/out/a.jpg").exists():
                await anyio.sleep(1)
        await rig.settled(2)
        rig.switch(faults={})
        again = await rerun(rig, missing=True)
        after = await rig.store.read(partial(results_elsewhere, rule=moved))
        (tmp_path / "in/a.jpg").rename(tmp_path / "in/c.jpg")
        await anyio.sleep(120)
        new = {str(path.relative_to(tmp_path / "new/out")) for path in (tmp_path / "new/out").rglob("*.jpg")}

        assert ({"a.jpg": "copy", "x/b.jpg": "copy"}, {"a.jpg": "same", "x/b.jpg": "same"}) == (first, again)
        assert ({"c.jpg", "x/b.jpg"}, old, [1, 1]) == (new, rig.outputs(), rig.charged())
        assert ({str(tmp_path / "out"): 2}, {}) == (before, after)


async def test_a_result_keeps_its_place_when_its_folder_is_only_told_in_another_way(tmp_path: Path) -> None:
    """As after an upgrade that could not know where the rule's folder ended; the file is ours all the same."""
    async with running(tmp_path) as rig:
        rig.drop("x/b.jpg")
        await rig.settled(1)
        place = {"root": bytes(tmp_path / "out/x"), "relative": b"b.jpg"}
        sql = "UPDATE output SET root = :root, relative = :relative"
        await rig.store.write(lambda connection: connection.raw.execute(sql, place).rowcount)
        first = await rerun(rig, missing=True)
        await rig.settled(1)
        again = await rerun(rig, missing=True)

        assert ({"x/b.jpg": "copy"}, {"x/b.jpg": "same"}) == (first, again)
        assert ({"x/b.jpg"}, [1]) == (rig.outputs(), rig.charged())
