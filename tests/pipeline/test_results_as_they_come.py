"""Items of a running batch are delivered as they end, whatever the service tells of a batch meanwhile."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import anyio
import httpx
import pytest
from local_service import InProcess
from stage_rig import running

from runflowd.core.lifecycle import BatchState, ItemState
from runflowd.local.http.control import ledger

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

pytestmark = pytest.mark.anyio

STUCK = {"runs": [{"match": "*stuck.jpg", "kind": "stuck", "count": None}]}


def asked(rig: Rig, route: str) -> int:
    """How many requests of a route reached the service."""
    return int(ledger(rig.local.service)["requests"].get(route, 0))


def drop_beside_stuck(rig: Rig, count: int) -> set[str]:
    """Some files, and one whose run will not end; the names of the others."""
    names = {f"{n}.jpg" for n in range(count)}
    for name in [*sorted(names), "stuck.jpg"]:
        rig.drop(name)
    return names


@pytest.mark.parametrize("detail", ["items", "counters", "bare"])
async def test_one_stuck_run_holds_back_no_other(tmp_path: Path, detail: str) -> None:
    """However little the service tells of a running batch; at last the stuck one comes, too (scenarios 92, 132)."""
    async with running(tmp_path) as rig:
        rig.switch(faults=STUCK, api_variants={"detail": detail})
        names = drop_beside_stuck(rig, 3)
        taken = await rig.until(lambda states: list(states.values()).count(ItemState.DONE) == 3, seconds=600)

        assert (names, ItemState.SUBMITTED) == (rig.outputs(), (await rig.states())["stuck.jpg"])
        assert taken < 60

        rig.switch(faults={})
        await rig.settled(4)

        assert (names | {"stuck.jpg"}, [1] * 4) == (rig.outputs(), rig.charged())
        assert [BatchState.ENDED] == [batch.state for batch in await rig.batches()]


async def test_a_stuck_run_costs_no_reading_of_the_items(tmp_path: Path) -> None:
    """Items are read when one more has ended, and not again: neither by and by nor after a restart (scenario 132)."""
    async with running(tmp_path) as rig:
        rig.switch(faults=STUCK)
        drop_beside_stuck(rig, 3)
        await rig.until(lambda states: list(states.values()).count(ItemState.DONE) == 3, seconds=600)
        before = asked(rig, "GET /v1/batches/{batch_id}/items")
        await anyio.sleep(3600)

        assert 1 <= before <= 3
        assert before == asked(rig, "GET /v1/batches/{batch_id}/items")


async def test_results_are_there_soon_after_they_ended(tmp_path: Path) -> None:
    """A batch that yields one result after the other is followed at its pace (scenario 132)."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"runs": [{"kind": "slow", "seconds": 20, "count": None}]})
        for number in range(6):
            rig.drop(f"{number}.jpg")
        done: list[float] = []
        with anyio.fail_after(600):
            while len(done) < 6:
                await anyio.sleep(1)
                count = list((await rig.states()).values()).count(ItemState.DONE)
                done += [anyio.current_time()] * (count - len(done))

        pauses = [round(after - before) for before, after in pairwise(done)]
        assert all(pauses), "several came at once"
        assert max(pauses) <= 40


async def test_runs_of_their_own_are_read_as_they_end(tmp_path: Path) -> None:
    """A model without batches, and one run whose look-up always fails (scenario 132)."""
    async with running(tmp_path) as rig:
        rig.take_no_batches()
        rig.switch(faults=STUCK)
        names = drop_beside_stuck(rig, 3)
        await rig.until(lambda states: list(states.values()).count(ItemState.DONE) == 3, seconds=600)

        assert names == rig.outputs()


async def test_pages_that_were_read_count_though_the_next_one_fails(tmp_path: Path) -> None:
    """What is known is delivered; the rest is read when the service answers again (scenario 132)."""
    async with running(tmp_path) as rig:
        strike = {"route": "GET /v1/batches/*/items", "kind": "status", "status": 404, "skip": 1, "count": None}
        hold = {"route": "POST /v1/models/*", "kind": "hold", "count": None}  # the page that is answered has results
        rig.switch(faults={"requests": [hold, strike]}, api_variants={"page_size": "small"})
        for number in range(4):
            rig.drop(f"{number}.jpg")
        await rig.until(lambda states: len(states) == 4 and list(states.values()).count(ItemState.DONE) == 2)
        states = sorted((await rig.states()).values())
        rig.switch(faults={"requests": []})
        await rig.settled(4)

        assert [ItemState.DONE] * 2 + [ItemState.SUBMITTED] * 2 == states
        assert [1] * 4 == rig.charged()


class Telling(InProcess):
    """The service, whose answers are changed by `change` once they are decoded."""

    change: ClassVar[Any] = staticmethod(lambda path, told: told)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if request.method == "GET" and "/batches/" in request.url.path:
            told = self.change(request.url.path, json.loads(await answer.aread()))
            return httpx.Response(answer.status_code, json=told, request=request)
        return answer


async def test_all_items_ended_though_the_batch_says_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each result is what was paid for; the word of the batch adds nothing (scenario 132)."""

    def change(path: str, told: dict[str, Any]) -> dict[str, Any]:
        return told if path.endswith("/items") else {**told, "status_code": "running"}

    monkeypatch.setattr(Telling, "change", staticmethod(change))
    async with running(tmp_path, wire=Telling) as rig:
        rig.drop("a.jpg")
        await rig.settled(1, seconds=300)

        assert ({"a.jpg"}, [BatchState.ENDED]) == (rig.outputs(), [batch.state for batch in await rig.batches()])


async def test_a_failure_that_turns_into_a_result_is_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An item that failed and then succeeded was paid for: its result replaces the note (scenario 99)."""
    failing = ["0.jpg"]

    def change(path: str, told: dict[str, Any]) -> dict[str, Any]:
        for item in told["items"] if path.endswith("/items") else ():
            if failing and str(item["input"]).find(failing[0]) >= 0 and item["status_code"] == "succeeded":
                item |= {
                    "status_code": "failed",
                    "output": None,
                    "error": {"code": "X", "message": "not yet"},
                    "run": None,
                }
        return told

    monkeypatch.setattr(Telling, "change", staticmethod(change))
    async with running(tmp_path, wire=Telling) as rig:
        rig.switch(faults=STUCK)
        drop_beside_stuck(rig, 2)
        await rig.until(lambda states: states.get("0.jpg") is ItemState.FAILED, seconds=300)
        await anyio.sleep(5)
        failed = rig.outputs()
        failing.clear()
        rig.switch(faults={})
        await rig.settled(3)

        assert {"0.jpg.failed.txt", "1.jpg"} == failed
        assert ({"0.jpg", "1.jpg", "stuck.jpg"}, [1] * 3) == (rig.outputs(), rig.charged())
