"""Judged results that are bought anew: what waits meanwhile, and what becomes of the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from review_rig import HELD, everything, waiting
from stage_rig import picture, rule, running

from runflowd.core.lifecycle import ItemState
from runflowd.core.review import ReviewMode, ReviewPolicy

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

pytestmark = pytest.mark.anyio

HOLD, REVIEW_AFTER = ReviewPolicy(ReviewMode.HOLD), ReviewPolicy(ReviewMode.AFTER)
SLOW = {"runs": [{"kind": "slow", "seconds": 600, "count": None}]}


async def listed(rig: Rig) -> list[str]:
    """The files of which `runflowd review` says that they wait."""
    return [item["path"] for item in (await rig.ask("review"))["items"]]


async def judge(rig: Rig, verdict: str, *paths: str, **said: Any) -> list[str]:
    """Give a verdict by a command; give the files that it was given on."""
    answer = await rig.ask("verdict", verdict=verdict, patterns=list(paths), **said)
    rig.engine.context.stage_events.notify_all()
    await anyio.sleep(20)
    return [item["path"] for item in answer["items"]]


async def edit_and_run_again(rig: Rig, review: ReviewPolicy) -> None:
    """Edit the prompt of the rule, and ask for its files anew."""
    edited = rule(rig.folder, review=review, input={"image_url": "${file.url}", "prompt": "again"})
    rig.engine.context.rules = {edited.name: edited}
    rig.engine.context.stage_events.notify_all()
    await anyio.sleep(20)
    chosen = (await rig.ask("rerun-choose", rule="studio"))["items"]
    assert [item["what"] for item in chosen] == ["buy"] * len(chosen)
    await rig.ask("rerun", items=chosen)
    rig.engine.context.stage_events.notify_all()


@pytest.mark.parametrize("review", [HOLD, REVIEW_AFTER], ids=["hold", "after"])
async def test_while_a_rerun_is_on_its_way_what_is_listed_can_be_judged(tmp_path: Path, review: ReviewPolicy) -> None:
    """By the path under which it is listed; the new result is judged anew, and takes the place of the old one."""
    async with running(tmp_path, rule(tmp_path, review=review)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        rig.switch(faults=SLOW)
        await edit_and_run_again(rig, review)
        await rig.until(lambda states: states["a.jpg"] is ItemState.SUBMITTED)
        seen = await listed(rig)
        given = await judge(rig, "accept", "a.jpg")
        between = everything(rig), await listed(rig)
        await rig.settled(1)
        then = everything(rig), await listed(rig)
        await judge(rig, "accept", "a.jpg")

        new = {"a.jpg", f"{HELD}a.jpg"} if review is HOLD else {"a.jpg"}
        assert (["a.jpg"], ["a.jpg"], ({"a.jpg"}, [])) == (seen, given, between)
        assert ((new, ["a.jpg"]), {"a.jpg"}, 0) == (then, everything(rig), await waiting(rig))
        assert [1, 1] == rig.charged()


async def test_a_result_that_waits_is_judged_though_its_rerun_failed(tmp_path: Path) -> None:
    """It is paid for, and all that there is."""
    async with running(tmp_path, rule(tmp_path, review=HOLD)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        rig.switch(faults={"runs": [{"kind": "fail", "count": None}]})
        await edit_and_run_again(rig, HOLD)
        await rig.until(lambda states: states["a.jpg"] is ItemState.FAILED)
        seen = await listed(rig)
        given = await judge(rig, "accept", "a.jpg")

        assert (["a.jpg"], ["a.jpg"], []) == (seen, given, await listed(rig))
        assert picture("a.jpg") == (tmp_path / "out/a.jpg").read_bytes()


async def test_what_is_listed_of_a_replaced_source_can_be_judged(tmp_path: Path) -> None:
    """While the new content is on its way: the old result is filed beside where that one goes."""
    async with running(tmp_path, rule(tmp_path, review=HOLD)) as rig:
        rig.drop("a.jpg", "old")
        await rig.settled(1)
        rig.switch(faults=SLOW)
        rig.drop("a.jpg", "new")
        await rig.until(lambda states: states["a.jpg"] is ItemState.SUBMITTED)
        seen = await listed(rig)
        given = await judge(rig, "accept", "a.jpg")
        await rig.settled(1)

        assert (["a.jpg"], ["a.jpg"], ["a.jpg"]) == (seen, given, await listed(rig))
        assert {f"{HELD}a.jpg"} < everything(rig)
        assert {picture("old"), picture("new")} == {path.read_bytes() for path in (tmp_path / "out").rglob("*.jpg")}


async def test_the_files_that_were_rejected_are_chosen_alone(tmp_path: Path) -> None:
    """Of those that waited, were accepted and were rejected; while the rule is what it was, nothing is bought."""
    async with running(tmp_path, rule(tmp_path, review=HOLD)) as rig:
        for name in ("good.jpg", "bad.jpg", "open.jpg"):
            rig.drop(name)
        await rig.settled(3)
        await judge(rig, "accept", "good.jpg")
        await judge(rig, "reject", "bad.jpg")
        chosen = (await rig.ask("rerun-choose", rule="studio", rejected=True))["items"]

        assert [("bad.jpg", "same")] == [(item["path"], item["what"]) for item in chosen]


@pytest.mark.parametrize("review", [HOLD, REVIEW_AFTER], ids=["hold", "after"])
async def test_a_rejected_file_is_run_again_and_judged_anew(tmp_path: Path, review: ReviewPolicy) -> None:
    """What was rejected stays where it is, under its name; the new result waits as any other does."""
    async with running(tmp_path, rule(tmp_path, review=review)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        await judge(rig, "reject", "a.jpg", reason="blurred")
        await edit_and_run_again(rig, review)
        await anyio.sleep(120)
        place = HELD if review is HOLD else ""
        then = everything(rig), await listed(rig)
        await judge(rig, "reject", "a.jpg")

        assert ({"rejected/a.jpg", f"{place}a.jpg"}, ["a.jpg"]) == then
        assert (2, set(), [1, 1]) == (
            len(everything(rig)),
            {each for each in everything(rig) if not each.startswith("rejected/")},
            rig.charged(),
        )
