"""Trouble and change at the service use up nobody's patience: what was paid is waited for, however long it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from stage_rig import running

from runflowd.core.lifecycle import ItemState

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

STORAGE = "GET /storage/*"
BATCH = "GET /v1/batches/*"


def status(route: str, code: int, count: int) -> dict[str, Any]:
    """So many answers of one kind."""
    return {"route": route, "kind": "status", "status": code, "count": count}


@pytest.mark.parametrize("kind", ["cut", "status", "truncate"])
async def test_results_are_waited_for_through_an_outage_of_the_storage(tmp_path: Path, kind: str) -> None:
    """A dozen tries in vain are trouble with the storage, not the end of a paid result."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"requests": [{"route": STORAGE, "kind": kind, "count": 12}]})
        rig.drop("a.jpg")
        await rig.settled(1)

        assert ({"a.jpg"}, [1]) == (rig.outputs(), rig.charged())


async def test_one_broken_result_after_an_outage_is_fetched_again(tmp_path: Path) -> None:
    """The outage does not count against the result."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"requests": [status(STORAGE, 503, 10), {"route": STORAGE, "kind": "xml", "skip": 10}]})
        rig.drop("a.jpg")
        await rig.settled(1)

        assert {"a.jpg": ItemState.DONE} == await rig.states()


async def test_one_404_after_an_outage_is_not_believed(tmp_path: Path) -> None:
    """A gateway that comes back may know nothing for a moment; the batch was paid for."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"requests": [status(BATCH, 503, 10), {**status(BATCH, 404, 1), "skip": 10}]})
        rig.drop("a.jpg")
        await rig.settled(1)

        assert ({"a.jpg": ItemState.DONE}, [1]) == (await rig.states(), rig.charged())


async def test_work_goes_on_soon_after_an_outage(tmp_path: Path) -> None:
    """Within two minutes, however long it lasted."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"requests": [status("*", 503, 1_000_000)]})
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.QUEUED)
        await anyio.sleep(1800)
        rig.switch(faults={})

        assert 120 > await rig.settled(1)


async def test_an_upload_that_somebody_else_took_is_sent_again(tmp_path: Path) -> None:
    """A captive portal says yes to everything; the service then has nothing to confirm."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"requests": [{"route": "PUT /storage/*", "kind": "login", "count": 2}]})
        rig.drop("a.jpg")
        await rig.settled(1)

        assert ({"a.jpg": ItemState.DONE}, [1]) == (await rig.states(), rig.charged())


async def test_a_model_that_ceases_to_take_batches_gets_runs(tmp_path: Path) -> None:
    """What was learnt of a service may become wrong; no file pays for that."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        rig.switch(api_variants={"batch_models": "none"})
        for name in ("b.jpg", "c.jpg", "d.jpg"):
            rig.drop(name)
        await rig.settled(4)

        assert {ItemState.DONE} == set((await rig.states()).values())
        assert [1, 1, 1, 1] == rig.charged()
