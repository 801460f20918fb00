"""What a rule made is never bought as something new, whichever way it gets back into the watched folder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from stage_rig import Rig, rule, running

from runflowd.control.refusal import CommandRefused
from runflowd.core.lifecycle import ItemState

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.core.model import Rule

pytestmark = pytest.mark.anyio

DONE, SKIPPED = ItemState.DONE, ItemState.SKIPPED


def upscaling(folder: Path) -> Rule:
    """A rule whose results are not its inputs."""
    return rule(folder, model="runflow/upscale", input={"image_url": "${file.url}", "output_format": "jpeg"})


async def why(rig: Rig, path: str) -> tuple[ItemState, str]:
    """State and code of the current item at a path."""
    (item,) = [item for item in await rig.items() if item.path == path and item.current]
    return item.state, item.failure_code


async def test_a_result_that_is_dropped_as_an_input_is_not_bought(tmp_path: Path) -> None:
    """Beside its source, in its place, and after a rename; it shows as skipped with the reason (scenario 139)."""
    async with running(tmp_path, upscaling(tmp_path)) as rig:
        rig.drop("a.jpg")
        rig.drop("b.jpg")
        await rig.settled(2)
        shutil.copy(tmp_path / "out/a.jpg", tmp_path / "in/copy.jpg")
        shutil.copy(tmp_path / "out/b.jpg", tmp_path / "in/b.jpg")
        await rig.until(lambda states: states.get("copy.jpg") is SKIPPED and states["b.jpg"] is SKIPPED)
        (tmp_path / "in/copy.jpg").rename(tmp_path / "in/renamed.jpg")
        await rig.until(lambda states: states.get("renamed.jpg") is SKIPPED)
        await anyio.sleep(600)

        assert (SKIPPED, "OWN_RESULT") == await why(rig, "renamed.jpg")
        assert ([1, 1], {"a.jpg", "b.jpg"}) == (rig.charged(), rig.outputs())


async def test_a_person_may_have_a_result_taken_all_the_same(tmp_path: Path) -> None:
    """By its name, never with all that failed (scenario 139)."""
    async with running(tmp_path, upscaling(tmp_path)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        shutil.copy(tmp_path / "out/a.jpg", tmp_path / "in/twice.jpg")
        await rig.until(lambda states: states.get("twice.jpg") is SKIPPED)
        with pytest.raises(CommandRefused):
            await rig.ask("retry", patterns=[])
        await rig.ask("retry", patterns=["twice.jpg"])
        await rig.until(lambda states: states.get("twice.jpg") is DONE)

        assert ([1, 1], {"a.jpg", "twice.jpg"}) == (rig.charged(), rig.outputs())


async def test_a_known_input_stays_what_it_is_when_its_result_is_the_same(tmp_path: Path) -> None:
    """As under a model that hands images through: copies and renames take their result, at no cost (scenario 139)."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        shutil.copy(tmp_path / "out/a.jpg", tmp_path / "in/copy.jpg")
        (tmp_path / "in/a.jpg").touch()
        await rig.until(lambda states: states.get("copy.jpg") is DONE)
        await anyio.sleep(60)
        assert ({"a.jpg": DONE, "copy.jpg": DONE}, [1]) == (await rig.states(), rig.charged())


async def test_what_a_rule_further_down_the_chain_made_is_not_bought(tmp_path: Path) -> None:
    """The first rule does not take the results of the last one; the last takes those of the first (scenario 139)."""
    first = upscaling(tmp_path)
    second = replace(first, name="second", watch=first.output, output=str(tmp_path / "end"))
    (tmp_path / "out").mkdir()
    async with running(tmp_path, first, second) as rig:
        rig.drop("a.jpg")
        await rig.until(lambda _: (tmp_path / "end/a.jpg").exists())
        shutil.copy(tmp_path / "end/a.jpg", tmp_path / "in/again.jpg")
        await rig.until(lambda states: states.get("again.jpg") is SKIPPED)
        await anyio.sleep(600)
        assert ((SKIPPED, "OWN_RESULT"), [1, 1]) == (await why(rig, "again.jpg"), rig.charged())
