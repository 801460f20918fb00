"""Another process takes over what this one works on: it buys nothing, places nothing, and goes on with the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from chosen_state import change_at
from stage_rig import running
from structlog.testing import capture_logs

from runflowd.core.lifecycle import ItemState
from runflowd.files import draft
from runflowd.pipeline.deliver import output_writer
from runflowd.pipeline.deliver.output_io import OutputIo
from runflowd.pipeline.dispatch import submitter
from runflowd.pipeline.track import answers as track
from runflowd.store.claims import Claim, Claimable, LeaseLost
from runflowd.store.leases import free_leases

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from pathlib import Path
    from types import ModuleType

    from stage_rig import Rig

    from runflowd.system.paths import Place

pytestmark = pytest.mark.anyio


class Rival:
    """Another process with the same state, which takes a row over at one of the named places, once."""

    def __init__(self, place: Place, table: str) -> None:
        self._place = place
        self._table = table
        self.point = ""

    def reach(self, name: str) -> None:
        """What stands for `runflowd.system.failpoints.reach`."""
        if name != self.point:
            return
        self.point = ""
        change_at(
            self._place,
            f"UPDATE {self._table} SET owner = 'rival', generation = generation + 1 WHERE owner IS NOT NULL",
        )


def rival(rig: Rig, monkeypatch: pytest.MonkeyPatch, module: ModuleType, table: str, point: str) -> Rival:
    """Let a rival lie in wait at a place of one module."""
    made = Rival(rig.store.place, table)
    monkeypatch.setattr(module, "reach", made.reach)
    made.point = point
    return made


async def bury(rig: Rig, dead: Rival) -> None:
    """The rival took a row over, and died: what it had is free."""
    await rig.until(lambda _: not dead.point)
    await rig.store.write(lambda connection: free_leases(connection, {rig.store.owner}))
    rig.engine.context.stage_events.notify_all()


def lost(lines: list[MutableMapping[str, Any]]) -> list[str]:
    """The stages that told of a lost lease; nothing else may be told of it."""
    assert [] == [line for line in lines if line["log_level"] in {"error", "critical"}]
    return [line["stage"] for line in lines if line["action"] == "lease.lost"]


async def test_a_purchase_whose_lease_was_lost_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one buys it, or looks for it, when it comes to it; here it dies, and this one is next."""
    with capture_logs() as lines:
        async with running(tmp_path) as rig:
            waiting = rival(rig, monkeypatch, submitter, "batch", "purchase.intended")
            rig.drop("a.jpg")
            await rig.until(lambda states: states.get("a.jpg") is ItemState.QUEUED and not waiting.point)
            rig.drop("b.jpg")
            await rig.until(lambda states: states.get("b.jpg") is ItemState.DONE)
            bought_meanwhile = rig.charged()
            await bury(rig, waiting)
            await rig.settled(2)
            assert ([1], [1, 1]) == (bought_meanwhile, rig.charged())
    assert ["dispatch"] == lost(lines)


async def test_an_answer_that_another_one_recorded_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The POST went out, then the process was stopped: whoever took over finds the purchase at the service."""
    with capture_logs() as lines:
        async with running(tmp_path) as rig:
            waiting = rival(rig, monkeypatch, submitter, "batch", "purchase.answered")
            rig.drop("a.jpg")
            await bury(rig, waiting)
            await rig.settled(1)
            assert ({"a.jpg"}, [1]) == (rig.outputs(), rig.charged())
    assert ["dispatch"] == lost(lines)


async def test_results_that_another_one_reads_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read again by whoever has the batch."""
    with capture_logs() as lines:
        async with running(tmp_path) as rig:
            waiting = rival(rig, monkeypatch, track, "batch", "results.read")
            rig.drop("a.jpg")
            await bury(rig, waiting)
            await rig.settled(1)
            assert ({"a.jpg"}, [1]) == (rig.outputs(), rig.charged())
    assert ["track"] == lost(lines)


@pytest.mark.parametrize(("module", "point"), [(draft, "output.written"), (output_writer, "output.reserved")])
async def test_a_file_whose_lease_was_lost_gets_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, point: str
) -> None:
    """Neither after the download nor after the name was recorded; nothing of the attempt is left."""
    with capture_logs() as lines:
        async with running(tmp_path) as rig:
            waiting = rival(rig, monkeypatch, module, "item", point)
            rig.drop("a.jpg")
            await rig.until(lambda states: states.get("a.jpg") is ItemState.DOWNLOADING and not waiting.point)
            placed_meanwhile = list((tmp_path / "out").rglob("*"))
            await bury(rig, waiting)
            await rig.settled(1)

    assert ([], {"a.jpg"}, ["deliver"]) == (placed_meanwhile, rig.outputs(), lost(lines))


async def test_what_others_see_is_touched_by_whoever_holds_the_item(tmp_path: Path) -> None:
    """Whatever is named, moved or removed in the name of an item: the claim is asked for on the thread that does it."""
    touched: list[str] = []
    async with running(tmp_path) as rig:
        context = rig.engine.context
        output_io = OutputIo(context.io, context.store, context.clock)
        rig.drop("a.jpg")
        await rig.settled(1)
        (item,) = await rig.items()
        with pytest.raises(LeaseLost):
            await output_io.run_held(item, context.rules[item.rule], touched.append, "too late")
        await context.store.write(lambda connection: connection.raw.execute("UPDATE item SET owner = 'us'"))
        held = replace(item, owner="us")
        await output_io.run_held(held, context.rules[item.rule], touched.append, "in time")

    assert ["in time"] == touched


async def test_a_request_whose_turn_comes_too_late_is_not_sent(tmp_path: Path) -> None:
    """It may wait long for its turn, as behind a rate limit: whether it still may go is asked when that has come."""
    asked = 0

    async def once() -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise LeaseLost(Claim(Claimable.BATCH, "b", "one", 1))

    async with running(tmp_path) as rig:
        fault = {"route": "POST /v1/models/*/batches", "kind": "status", "status": 429, "count": 1}
        rig.switch(faults={"requests": [fault]})
        with pytest.raises(LeaseLost):
            await rig.engine.context.service.api.create_batch("runflow/pass-through", b"{}", "key", once)
        traffic = rig.engine.context.service.api.snapshot()

    assert (2, 1) == (asked, sum(count for (label, _), count in traffic.requests.items() if "batch" in label))
