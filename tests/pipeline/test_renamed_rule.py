"""A rule gets another name: what it did goes along, and nothing of its tree is new (scenario 126)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from stage_rig import Rig, rule, running

from runflowd.core.incident_scope import ScopeKind, scopes_of
from runflowd.core.lifecycle import ItemState
from runflowd.store import rule_edits
from runflowd.store.pauses import pause, pauses

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.core.model import Rule
    from runflowd.store import Connection

pytestmark = pytest.mark.anyio


async def swap(rig: Rig, *rules: Rule) -> None:
    """Let other rules be in force, as a reload does, and wait until their folders were looked at."""
    rig.engine.context.rules = {each.name: each for each in rules}
    rig.engine.context.stage_events.notify_all()
    await anyio.sleep(60)


async def names(rig: Rig) -> set[tuple[str, str]]:
    """Which rule each path belongs to."""
    return {(item.rule, item.path) for item in await rig.items()}


async def test_a_renamed_rule_buys_its_tree_no_second_time(tmp_path: Path) -> None:
    """Even where no result in the output folder would tell; what is dropped later is new (scenario 126)."""
    async with running(tmp_path) as rig:
        rig.drop("x/a.jpg")
        await rig.settled(1)
        (tmp_path / "out/x/a.jpg").unlink()
        await swap(rig, rule(tmp_path, name="atelier"))
        before = (await names(rig), rig.charged())
        rig.drop("b.jpg")
        await rig.settled(2)

        assert (({("atelier", "x/a.jpg")}, [1]), [1, 1]) == (before, rig.charged())


async def test_a_rule_renamed_while_nothing_ran_is_recognised_at_the_start(tmp_path: Path) -> None:
    """The state file knows what the folders belonged to."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
    (tmp_path / "out/a.jpg").unlink()
    async with running(tmp_path, rule(tmp_path, name="atelier")) as rig:
        await anyio.sleep(60)

        assert ({("atelier", "a.jpg")}, [1], []) == (await names(rig), rig.charged(), await rig.store.read(pauses))


async def test_what_is_in_flight_is_delivered_once(tmp_path: Path) -> None:
    """It was bought under the old name."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"runs": [{"kind": "slow", "seconds": 300}]})
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.SUBMITTED)
        await swap(rig, rule(tmp_path, name="atelier"))
        before = await rig.states()
        await rig.settled(1)

        assert ({"a.jpg": ItemState.SUBMITTED}, {"a.jpg"}, [1]) == (before, rig.outputs(), rig.charged())


async def test_a_name_taken_back_is_a_renaming_as_well(tmp_path: Path) -> None:
    """Nothing that was done under the name between is forgotten."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        await swap(rig, rule(tmp_path, name="atelier"))
        rig.drop("b.jpg")
        await rig.settled(2)
        await swap(rig, rule(tmp_path))
        await swap(rig, rule(tmp_path, name="third"))

        assert ({("third", "a.jpg"), ("third", "b.jpg")}, [1, 1]) == (await names(rig), rig.charged())


async def test_a_rule_that_gets_two_names_in_a_row_has_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first was edited away while it waited for what the stages hold: it takes nothing, and nobody is asked."""
    rename, held = rule_edits.rename, True

    def waiting(connection: Connection, before: str, after: str) -> bool:
        return not held and rename(connection, before, after)

    monkeypatch.setattr(rule_edits, "rename", waiting)
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        await swap(rig, rule(tmp_path, name="atelier"))
        await swap(rig, rule(tmp_path, name="third"))
        held = False
        await anyio.sleep(60)
        rig.drop("b.jpg")
        await rig.settled(2)

        assert {("third", "a.jpg"), ("third", "b.jpg")} == await names(rig)
        assert ([1, 1], []) == (rig.charged(), await rig.store.read(pauses))


async def test_a_pause_goes_along(tmp_path: Path) -> None:
    """Who stopped the rule did not mean its name."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        await rig.store.write(lambda connection: pause(connection, "studio", "stock-taking", 1.0))
        await swap(rig, rule(tmp_path, name="atelier"))
        rig.drop("b.jpg")
        await anyio.sleep(600)

        paused = [(each.rule, each.reason) for each in await rig.store.read(pauses)]
        assert ([("atelier", "stock-taking")], [1]) == (paused, rig.charged())


@pytest.mark.parametrize("change", [{"model": "runflow/another"}, {"output": "elsewhere"}])
async def test_another_model_or_output_is_no_renaming(tmp_path: Path, change: dict[str, str]) -> None:
    """That is another wish over the same files; nobody else's work is taken for it."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        if "output" in change:
            change = {"output": str(tmp_path / change["output"])}
        await swap(rig, rule(tmp_path, name="atelier", **change))

        assert ("studio", "a.jpg") in await names(rig)


async def test_a_rule_that_is_still_there_keeps_what_it_did(tmp_path: Path) -> None:
    """A second rule over the same folders is a second wish."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        await swap(rig, rule(tmp_path), rule(tmp_path, name="atelier"))

        assert {("studio", "a.jpg")} == await names(rig)


async def test_no_trouble_stays_open_under_the_earlier_name() -> None:
    """Whatever scope a rule may have trouble in is closed with its name."""
    elsewhere = {
        ScopeKind.HOST,
        ScopeKind.NOTIFY,
        ScopeKind.PAUSE,
        ScopeKind.RESULTS,
    }  # no rule's, or as long as a pause

    assert {kind.of("a") for kind in ScopeKind if str(kind.of("a")) != kind and kind not in elsewhere} == {
        *scopes_of("a")
    }
