"""The note in an output folder says how many results wait out of sight, for as long as some do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from stage_rig import rule, running

from runflowd.core.chains import leaving_out_rejected
from runflowd.core.media.kinds import MediaKind
from runflowd.core.review import REVIEW_NOTE, ReviewMode, ReviewPolicy
from runflowd.pipeline.deliver.review_note import HEADING
from runflowd.store.verdicts import Verdict, give_verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

pytestmark = pytest.mark.anyio

HOLD = ReviewPolicy(ReviewMode.HOLD)


def note(rig: Rig) -> str | None:
    """What the note says below its heading, None where there is none."""
    path = rig.folder / "out" / REVIEW_NOTE
    return path.read_text().removeprefix(f"{HEADING}\n\n").partition(":")[0] if path.exists() else None


async def judge(rig: Rig, verdict: Verdict, *numbers: int) -> None:
    """Give a verdict, and wait until everything has followed it."""
    await rig.store.write(partial(give_verdicts, numbers=numbers, verdict=verdict, who="", reason="", now=0.0))
    rig.engine.context.stage_events.notify_all()
    await anyio.sleep(30)


async def test_the_note_follows_how_many_results_are_held(tmp_path: Path) -> None:
    """It comes with the first, changes with each, goes with the last, and comes back with an undone verdict."""
    async with running(tmp_path, rule(tmp_path, review=HOLD)) as rig:
        before = note(rig)
        for name in ("a.jpg", "b.jpg"):
            rig.drop(name)
        await rig.settled(2)
        await anyio.sleep(30)
        seen = [before, note(rig)]
        for verdict, number in ((Verdict.ACCEPT, 1), (Verdict.REJECT, 2), (Verdict.UNDO, 1)):
            await judge(rig, verdict, number)
            seen.append(note(rig))

        assert [None, "2 results of rule studio", "1 result of rule studio", None, "1 result of rule studio"] == seen


@pytest.mark.parametrize("policy", [ReviewPolicy(), ReviewPolicy(ReviewMode.AFTER)], ids=["off", "after"])
async def test_where_results_are_seen_there_is_no_note(tmp_path: Path, policy: ReviewPolicy) -> None:
    """They say it themselves."""
    async with running(tmp_path, rule(tmp_path, review=policy)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        await anyio.sleep(30)

        assert {"a.jpg"} == rig.outputs()


async def test_a_note_of_before_is_cleared_away(tmp_path: Path) -> None:
    """The results were judged and moved while nobody was there to see."""
    async with running(tmp_path, rule(tmp_path, review=HOLD)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        await anyio.sleep(30)
        await judge(rig, Verdict.ACCEPT, 1)
        (tmp_path / "out" / REVIEW_NOTE).write_text(f"{HEADING}\n\n7 results: ...\n")
    async with running(tmp_path, rule(tmp_path, review=HOLD)) as rig:
        await anyio.sleep(30)

        assert {"a.jpg"} == rig.outputs()


async def test_a_file_of_a_person_with_the_name_of_the_note_stays(tmp_path: Path) -> None:
    """Neither written over nor removed, and nothing else stands still for it."""
    (mine := tmp_path / "out" / REVIEW_NOTE).parent.mkdir()
    mine.write_text("mine")
    async with running(tmp_path, rule(tmp_path, review=HOLD)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        await anyio.sleep(30)
        seen = mine.read_text()
        await judge(rig, Verdict.ACCEPT, 1)

        assert ("mine", "mine", {"a.jpg", REVIEW_NOTE}) == (seen, mine.read_text(), rig.outputs())


async def test_the_note_feeds_no_rule(tmp_path: Path) -> None:
    """Not even one that takes texts."""
    then = rule(
        tmp_path, name="then", watch=str(tmp_path / "out"), output=str(tmp_path / "end"), accept=(MediaKind.TEXT,)
    )
    (tmp_path / "out").mkdir()
    async with running(tmp_path, *leaving_out_rejected((rule(tmp_path, review=HOLD), then))) as rig:
        rig.drop("a.jpg")
        await anyio.sleep(120)

        assert ("1 result of rule studio", ["a.jpg"]) == (note(rig), [item.path for item in await rig.items()])
