"""Results of several outputs are judged as one, and a verdict that is taken back in the middle leaves nothing over."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from review_rig import HELD, everything, waiting
from stage_rig import rule, running

from runflowd.core.model import After, AfterKind
from runflowd.core.review import ReviewMode, ReviewPolicy
from runflowd.store.verdicts import Verdict, give_verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.store import Connection

pytestmark = pytest.mark.anyio

HOLD, REVIEW_AFTER = ReviewPolicy(ReviewMode.HOLD), ReviewPolicy(ReviewMode.AFTER)
USUAL = {HOLD: HELD, REVIEW_AFTER: ""}
TWO = ("a-1.jpg", "a-2.jpg")


async def judge(rig: Rig, *verdicts: Verdict) -> None:
    """Give one verdict after the other on the only result, and let the stages find the last of them."""
    for verdict in verdicts:
        give = partial(give_verdicts, numbers=[1], verdict=verdict, who="", reason="", now=0.0)
        await rig.store.write(give)
    rig.engine.context.stage_events.notify_all()
    await anyio.sleep(20)


async def two_outputs(rig: Rig) -> None:
    """A file with a result of two outputs."""
    rig.switch(api_variants={"stages": True})
    rig.drop("a.jpg")
    await rig.settled(1)


def recorded(connection: Connection) -> int:
    """How many outputs are on record."""
    return len(connection.raw.execute("SELECT 1 FROM output").fetchall())


@pytest.mark.parametrize("review", [HOLD, REVIEW_AFTER], ids=["hold", "after"])
async def test_all_outputs_of_a_file_go_where_the_verdict_wants_them(tmp_path: Path, review: ReviewPolicy) -> None:
    """Together, under the names that they have among each other, there and back."""
    async with running(tmp_path, rule(tmp_path, review=review)) as rig:
        await two_outputs(rig)
        names, seen = {each.removeprefix(HELD) for each in everything(rig)}, [everything(rig)]
        for verdict in (Verdict.REJECT, Verdict.UNDO, Verdict.ACCEPT, Verdict.REJECT, Verdict.ACCEPT):
            await judge(rig, verdict)
            seen.append(everything(rig))

        places = [USUAL[review], "rejected/", USUAL[review], "", "rejected/", ""]
        assert [{f"{place}{name}" for name in names} for place in places] == seen
        assert (2, 2, 0) == (len(names), await rig.store.read(recorded), await waiting(rig))


@pytest.mark.parametrize("review", [HOLD, REVIEW_AFTER], ids=["hold", "after"])
async def test_one_of_two_outputs_that_cannot_be_moved_holds_the_verdict_and_loses_neither(
    tmp_path: Path, review: ReviewPolicy
) -> None:
    """A stranger's name is passed over, a folder in its place as well; the source goes with the last one."""
    async with running(tmp_path, rule(tmp_path, review=review, after=After(AfterKind.DELETE))) as rig:
        await two_outputs(rig)
        first, second = sorted(each.removeprefix(HELD) for each in everything(rig))
        (tmp_path / "out/rejected" / first).mkdir(parents=True)
        await judge(rig, Verdict.REJECT)
        rejected = everything(rig)
        await judge(rig, Verdict.ACCEPT)

        assert (2, True) == (len(rejected), f"rejected/{second}" in rejected)
        assert ({first, second}, False) == (everything(rig), (tmp_path / "in/a.jpg").exists())


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("review", [HOLD, REVIEW_AFTER], ids=["hold", "after"])
async def test_a_verdict_that_is_undone_between_its_name_and_its_rename_leaves_no_name_over(
    tmp_path: Path, review: ReviewPolicy, outputs: int
) -> None:
    """The name was on record and never taken; another file may have it."""
    async with running(tmp_path, rule(tmp_path, review=review)) as rig:
        if outputs == 2:
            rig.switch(api_variants={"stages": True})
        rig.drop("a.jpg")
        await rig.settled(1)
        before = everything(rig)
        (obstacle := tmp_path / "out/rejected").write_text("in the way")
        await judge(rig, Verdict.REJECT)
        reserved = await rig.store.read(recorded)
        await judge(rig, Verdict.UNDO)
        await anyio.sleep(120)
        obstacle.unlink()

        assert (outputs + 1, before, outputs) == (reserved, everything(rig), await rig.store.read(recorded))
        assert (1, ()) == (await waiting(rig), rig.engine.context.incidents.snapshot())


async def test_verdicts_that_follow_each_other_at_once_end_with_the_last(tmp_path: Path) -> None:
    """Whoever presses a key twice, or two people at once."""
    async with running(tmp_path, rule(tmp_path, review=HOLD)) as rig:
        await two_outputs(rig)
        held = everything(rig)
        await judge(rig, Verdict.ACCEPT, Verdict.UNDO, Verdict.REJECT, Verdict.UNDO)

        assert (held, 1, 2) == (everything(rig), await waiting(rig), await rig.store.read(recorded))
