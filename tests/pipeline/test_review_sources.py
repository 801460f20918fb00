"""Sources of judged results: renamed, moved or wanted by other rules while a person has not decided yet."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from review_rig import HELD, everything, waiting
from stage_rig import picture, rule, running

from runflowd.core.model import After, AfterKind
from runflowd.core.review import ReviewMode, ReviewPolicy
from runflowd.store.verdicts import Verdict, give_verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.core.model import Rule

pytestmark = pytest.mark.anyio

HOLD, REVIEW_AFTER = ReviewPolicy(ReviewMode.HOLD), ReviewPolicy(ReviewMode.AFTER)
PLACES = {(HOLD, None): HELD, (REVIEW_AFTER, None): ""}
"""Where results stand that wait; one that was rejected stands in `rejected`."""

RENAMES = {
    "name": ("a.jpg", "b.jpg"),
    "folder": ("old/a.jpg", "new/a.jpg"),
    "folder above": ("old/deep/a.jpg", "new/deep/a.jpg"),
}


async def judge(rig: Rig, verdict: Verdict, *chosen: tuple[str, str]) -> None:
    """Give a verdict on the results of files of rules, and let the stages find it."""
    numbers = {(item.rule, item.path): item.id for item in await rig.items() if item.current}
    give = partial(give_verdicts, numbers=[numbers[each] for each in chosen], verdict=verdict, who="", reason="")
    await rig.store.write(partial(give, now=rig.engine.context.clock.wall()))
    rig.engine.context.stage_events.notify_all()
    await anyio.sleep(20)


async def until_waiting(rig: Rig, count: int) -> None:
    """Wait until so many results wait for a verdict."""
    with anyio.fail_after(600):
        while await waiting(rig) < count:
            await anyio.sleep(1)


def after(kind: AfterKind, folder: Path) -> After:
    """What a rule does with its sources, which go to `archive` where they are moved."""
    return After(kind, str(folder / "archive") if kind is AfterKind.MOVE else "")


def move(rig: Rig, before: str, then: str) -> None:
    """Give a source another name as people do: its uppermost folder, if it lies in one."""
    root = rig.folder / "in"
    one, other = (name.partition("/")[0] for name in (before, then))
    (root / one).rename(root / other)


@pytest.mark.parametrize("names", RENAMES.values(), ids=RENAMES.keys())
@pytest.mark.parametrize("rejected", [False, True], ids=["waiting", "rejected"])
@pytest.mark.parametrize("kind", AfterKind)
@pytest.mark.parametrize("review", [HOLD, REVIEW_AFTER], ids=["hold", "after"])
async def test_a_result_follows_its_renamed_source_whatever_becomes_of_that_once_it_is_accepted(
    tmp_path: Path, review: ReviewPolicy, kind: AfterKind, rejected: bool, names: tuple[str, str]
) -> None:
    """One result, at the new name, with its verdict, and accepted it lets go of the source."""
    before, then = names
    async with running(tmp_path, rule(tmp_path, review=review, after=after(kind, tmp_path))) as rig:
        rig.drop(before)
        await rig.settled(1)
        if rejected:
            await judge(rig, Verdict.REJECT, ("studio", before))
        move(rig, before, then)
        await anyio.sleep(120)
        seen = everything(rig), await waiting(rig)
        await judge(rig, Verdict.ACCEPT, ("studio", then))

        place = "rejected/" if rejected else PLACES[review, None]
        assert (({f"{place}{then}"}, 0 if rejected else 1), {then}) == (seen, everything(rig))
        assert ((kind is AfterKind.KEEP), [1]) == ((tmp_path / "in" / then).exists(), rig.charged())


async def test_the_result_of_a_source_that_its_rule_let_go_of_stays_though_an_equal_file_lies_there(
    tmp_path: Path,
) -> None:
    """Two names of one file are no rename: the rule itself removes the first of them."""
    async with running(tmp_path, rule(tmp_path, review=HOLD, after=After(AfterKind.DELETE))) as rig:
        os.link(rig.drop("a.jpg"), tmp_path / "in/b.jpg")
        await until_waiting(rig, 2)
        await judge(rig, Verdict.ACCEPT, ("studio", "a.jpg"))
        await anyio.sleep(120)

        assert ({"a.jpg", "b.jpg"}, set(), [1]) == (everything(rig), everything(rig, "in"), rig.charged())


def two(folder: Path, kind: AfterKind, one: ReviewPolicy, first: AfterKind | None = None) -> tuple[Rule, Rule]:
    """Two rules over one folder, of which the second has its results in `other`."""
    return (
        rule(folder, name="one", review=one, after=after(kind if first is None else first, folder)),
        rule(folder, name="two", output=str(folder / "other"), review=HOLD, after=after(kind, folder)),
    )


@pytest.mark.parametrize("kind", [AfterKind.DELETE, AfterKind.MOVE])
@pytest.mark.parametrize("first", [None, AfterKind.KEEP], ids=["same", "keep"])
async def test_a_source_stays_for_another_rule_whose_accepted_result_is_not_in_place(
    tmp_path: Path, kind: AfterKind, first: AfterKind | None
) -> None:
    """The other rule accepts its own result: the source is all that is left to have the first one's from."""
    async with running(tmp_path, *two(tmp_path, kind, REVIEW_AFTER, first)) as rig:
        source = rig.drop("a.jpg")
        await until_waiting(rig, 2)
        (tmp_path / "out/a.jpg").unlink()
        await judge(rig, Verdict.ACCEPT, ("one", "a.jpg"))
        await judge(rig, Verdict.ACCEPT, ("two", "a.jpg"))

        assert (True, {"a.jpg"}) == (source.exists(), everything(rig, "other"))


async def test_a_source_of_two_rules_goes_once_the_missing_result_of_one_was_fetched_again(tmp_path: Path) -> None:
    """At no price."""
    async with running(tmp_path, *two(tmp_path, AfterKind.DELETE, REVIEW_AFTER)) as rig:
        source = rig.drop("a.jpg")
        await until_waiting(rig, 2)
        (tmp_path / "out/a.jpg").unlink()
        await judge(rig, Verdict.ACCEPT, ("one", "a.jpg"))
        await judge(rig, Verdict.ACCEPT, ("two", "a.jpg"))
        chosen = (await rig.ask("rerun-choose", rule="one", missing=True))["items"]
        await rig.ask("rerun", items=chosen, missing=True)
        await anyio.sleep(60)

        assert (False, {"a.jpg"}, {"a.jpg"}) == (source.exists(), everything(rig), everything(rig, "other"))
        assert sum(rig.charged()) == 2


@pytest.mark.parametrize("said", [None, Verdict.REJECT], ids=["waiting", "rejected"])
async def test_a_source_stays_while_another_rule_has_not_accepted(tmp_path: Path, said: Verdict | None) -> None:
    """Waiting or rejected: neither is an end."""
    async with running(tmp_path, *two(tmp_path, AfterKind.DELETE, HOLD)) as rig:
        source = rig.drop("a.jpg")
        await until_waiting(rig, 2)
        if said:
            await judge(rig, said, ("one", "a.jpg"))
        await judge(rig, Verdict.ACCEPT, ("two", "a.jpg"))

        assert source.exists()


async def test_a_source_that_waits_for_another_rule_is_renamed_and_both_results_follow(tmp_path: Path) -> None:
    """Accepted in one rule, waiting in the other."""
    async with running(tmp_path, *two(tmp_path, AfterKind.DELETE, HOLD)) as rig:
        source = rig.drop("a.jpg")
        await until_waiting(rig, 2)
        await judge(rig, Verdict.ACCEPT, ("one", "a.jpg"))
        source = source.rename(tmp_path / "in/b.jpg")
        await anyio.sleep(120)
        seen = everything(rig), everything(rig, "other"), source.exists()
        await judge(rig, Verdict.ACCEPT, ("two", "b.jpg"))

        assert ({"b.jpg"}, {f"{HELD}b.jpg"}, True) == seen
        assert ({"b.jpg"}, False) == (everything(rig, "other"), source.exists())
        assert picture("a.jpg") == (tmp_path / "out/b.jpg").read_bytes()


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
async def test_a_source_stays_for_a_rule_whose_result_came_in_part(tmp_path: Path, order: tuple[str, str]) -> None:
    """Whichever of the two that is: what is missing may have to be made from it."""
    partial_run = {"match": "*a.jpg", "kind": "partial", "message": "the second view was not made", "count": 1}
    async with running(tmp_path, *two(tmp_path, AfterKind.DELETE, REVIEW_AFTER)) as rig:
        rig.switch(faults={"runs": [partial_run]}, api_variants={"output": "outputs"})
        source = rig.drop("a.jpg")
        await until_waiting(rig, 2)
        for name in order:
            await judge(rig, Verdict.ACCEPT, (name, "a.jpg"))

        assert source.exists()
