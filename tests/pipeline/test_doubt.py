"""Files that share the content of one whose purchase is in doubt."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from stage_rig import EPOCH, running

from runflowd.core.lifecycle import ItemState
from runflowd.store.moves import move
from runflowd.store.retries import retry

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

GONE = {"requests": [{"route": "GET /storage/*", "kind": "status", "status": 404, "count": None}]}


async def test_a_file_that_shares_a_doubt_says_so(tmp_path: Path) -> None:
    """Nothing is bought beside it, and the other owner has a note, too."""
    async with running(tmp_path) as rig:
        rig.switch(faults=GONE)
        rig.drop("a.jpg", seed=1)
        rig.drop("copy.jpg", seed=1)
        await rig.settled(2)
        await anyio.sleep(10)

        assert {"a.jpg": ItemState.OUTCOME_UNKNOWN, "copy.jpg": ItemState.OUTCOME_UNKNOWN} == await rig.states()
        assert ({"a.jpg.failed.txt", "copy.jpg.failed.txt"}, [1]) == (rig.outputs(), rig.charged())


async def test_a_file_that_comes_later_shares_the_doubt(tmp_path: Path) -> None:
    """The same for a copy that is made when the doubt is there already."""
    async with running(tmp_path) as rig:
        rig.switch(faults=GONE)
        rig.drop("a.jpg", seed=1)
        await rig.settled(1)
        rig.drop("copy.jpg", seed=1)
        await rig.settled(2)
        await anyio.sleep(10)

        assert ({"a.jpg.failed.txt", "copy.jpg.failed.txt"}, [1]) == (rig.outputs(), rig.charged())


async def test_who_shares_a_doubt_is_released_with_it(tmp_path: Path) -> None:
    """One retry of the one that was bought brings both results."""
    async with running(tmp_path) as rig:
        rig.switch(faults=GONE)
        rig.drop("a.jpg", seed=1)
        rig.drop("copy.jpg", seed=1)
        await rig.settled(2)
        rig.switch(faults={})
        (bought,) = [item for item in await rig.items() if item.batch]
        await rig.store.write(
            partial(
                move,
                number=bought.id,
                before=ItemState.OUTCOME_UNKNOWN,
                after=ItemState.DOWNLOADING,
                by=None,
                now=EPOCH,
            )
        )
        rig.engine.context.stage_events.notify_all()
        await rig.settled(2)

        assert ({"a.jpg", "copy.jpg"}, [1]) == (rig.outputs(), rig.charged())


@pytest.mark.parametrize("name", ["a.jpg", "copy.jpg"])
async def test_a_retry_of_either_brings_both(tmp_path: Path, name: str) -> None:
    """Whose owner asks first does not matter, and nothing is bought for it."""
    async with running(tmp_path) as rig:
        rig.switch(faults=GONE)
        rig.drop("a.jpg", seed=1)
        rig.drop("copy.jpg", seed=1)
        await rig.settled(2)
        rig.switch(faults={})
        (asked,) = [item for item in await rig.items() if item.path == name]
        await rig.store.write(partial(retry, item=asked, now=EPOCH, buy_again=False))
        rig.engine.context.stage_events.notify_all()
        await rig.settled(2)

        assert ({"a.jpg", "copy.jpg"}, [1]) == (rig.outputs(), rig.charged())


async def test_both_bought_again_are_bought_once(tmp_path: Path) -> None:
    """`retry --buy-again` for everything: one purchase for one content."""
    async with running(tmp_path) as rig:
        rig.switch(api_variants={"items": "missing"})
        rig.drop("a.jpg", seed=1)
        rig.drop("copy.jpg", seed=1)
        await rig.settled(2)
        rig.switch(api_variants={})
        for item in await rig.items():
            await rig.store.write(partial(retry, item=item, now=EPOCH, buy_again=True))
        rig.engine.context.stage_events.notify_all()
        await rig.settled(2)

        assert ({"a.jpg", "copy.jpg"}, [2]) == (rig.outputs(), rig.charged())
