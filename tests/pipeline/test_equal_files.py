"""Many files of one content under one recipe: bought once, whatever becomes of them before that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from stage_rig import rule, running

from runflowd.core.lifecycle import ItemState
from runflowd.core.model import BatchLimits

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.core.model import Rule

pytestmark = pytest.mark.anyio

MANY = 20

SAME = {"batch": BatchLimits(quiet=901, max_wait=1800)}
OTHER = {"input": {"image_url": "${file.url}", "prompt": "new"}}
NONE = {"exclude": ("*.jpg",)}


def patient(folder: Path, **changes: Any) -> Rule:
    """A rule whose batches wait for long."""
    return rule(folder, batch=BatchLimits(quiet=900, max_wait=1800), **changes)


async def drop_equal(rig: Rig, count: int) -> None:
    """Files of one content, of which one is to be bought."""
    for number in range(count):
        rig.drop(f"{number:03}.jpg", seed=1)
    await rig.until(lambda states: len(states) == count)
    assert 1 == await ready(rig)


async def ready(rig: Rig) -> int:
    """How many are to be bought."""
    return sum(item.state is ItemState.READY for item in await rig.items())


async def edit(rig: Rig, rule: Rule, **changes: Any) -> None:
    """Change the rule, and wait until all are worded as it says now."""
    before = {item.snapshot for item in await rig.items()}
    rig.engine.context.rules = {rule.name: replace(rule, **changes)}
    rig.engine.context.stage_events.notify_all()
    with anyio.fail_after(600):
        while before & {item.snapshot for item in await rig.items()}:
            await anyio.sleep(0.1)


async def written(rig: Rig) -> int:
    """Rows that were written to the state file so far."""
    return await rig.store.write(lambda connection: connection.raw.total_changes)


@pytest.mark.parametrize("change", [SAME, OTHER, NONE], ids=["the same recipe", "another recipe", "taken no more"])
async def test_an_edit_costs_the_same_for_each_of_many_equal_files(tmp_path: Path, change: dict[str, Any]) -> None:
    """They are worded anew together, not each after it was promoted in the place of the one before (scenario 137)."""
    costs = []
    for count in (MANY, 4 * MANY):
        before = patient(tmp_path / str(count))
        async with running(tmp_path / str(count), before) as rig:
            await drop_equal(rig, count)
            start = await written(rig)
            await edit(rig, before, **change)
            costs.append((await written(rig) - start) / count)

    assert costs[1] < 1.5 * costs[0], costs


@pytest.mark.parametrize("change", [SAME, OTHER], ids=["the same recipe", "another recipe"])
async def test_equal_files_are_bought_once_after_an_edit(tmp_path: Path, change: dict[str, Any]) -> None:
    """However they are worded: one is bought, all have its result (scenario 124)."""
    before = patient(tmp_path)
    async with running(tmp_path, before) as rig:
        await drop_equal(rig, MANY)
        await edit(rig, before, **change)
        wanted = await ready(rig)
        await rig.settled(MANY)

        assert (1, [1], MANY) == (wanted, rig.charged(), len(rig.outputs()))
