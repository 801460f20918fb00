"""What the service lets through is learned, and what fails by itself is repeated by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
import structlog.testing
from stage_rig import running

from runflowd.core.lifecycle import ItemState
from runflowd.local.http.control import ledger

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

pytestmark = pytest.mark.anyio

FLAKY = [{"kind": kind, "status": status} for kind in ("status", "botch") for status in (500, 503)]
FLAKY += [{"kind": "cut"}, {"kind": "lose"}]
"""Errors and cuts, before and after the work."""


def status(route: str, code: int, **more: Any) -> dict[str, Any]:
    """Answers with a status, one unless told otherwise."""
    return {"requests": [{"route": route, "kind": "status", "status": code, **more}]}


def drop(rig: Rig, count: int) -> None:
    """Put so many files into the watched folder."""
    for number in range(count):
        rig.drop(f"{number:03}.jpg")


def codes(rig: Rig) -> list[str]:
    """The codes of the open incidents."""
    return [trouble.code for trouble in rig.engine.context.incidents.snapshot()]


async def shared(rig: Rig, count: int) -> tuple[int, float]:
    """Requests to the API, and the seconds it took, for so many files; they rest and gather for seven of them."""
    drop(rig, count)
    seconds = await rig.settled(count)
    return sum(n for route, n in ledger(rig.local.service)["requests"].items() if " /v1/" in route), seconds


@pytest.mark.parametrize("retry_after", ["absent", "seconds"])
@pytest.mark.parametrize(("rate", "files"), [(5, 60), (25, 150)])
async def test_work_goes_on_at_the_rate_that_the_service_allows(
    tmp_path: Path, rate: int, files: int, retry_after: str
) -> None:
    """No 429 is an outage: half as long again as the rate dictates, learning included, and no incident is opened
    (scenarios 80, 129).
    """
    with structlog.testing.capture_logs() as lines:
        async with running(tmp_path) as rig:
            rig.switch(faults={"allowed": {"rate": rate, "burst": 10}}, api_variants={"retry_after": retry_after})
            requests, seconds = await shared(rig, files)

            assert {ItemState.DONE} == set((await rig.states()).values())
            assert seconds < 1.5 * requests / rate + 10
            assert 0.2 * requests > rig.local.service.plan.struck > 0

    assert [] == [line for line in lines if line["action"] == "incident.open"]


async def test_a_service_that_refuses_nothing_is_not_slowed_down(tmp_path: Path) -> None:
    """Nothing is assumed before the first 429 (scenario 129)."""
    async with running(tmp_path) as rig:
        _, seconds = await shared(rig, 150)

        assert (None, True) == (rig.engine.context.service.api.pace().rate, seconds < 15)


async def test_one_429_slows_all_calls_down_for_as_long_as_the_service_says(tmp_path: Path) -> None:
    """There is one limiter for all rules and stages, and `Retry-After` holds for all of them (scenario 80)."""
    async with running(tmp_path) as rig:
        refusal = {"route": "POST /v1/asset-uploads", "kind": "status", "status": 429, "seconds": 30}
        rig.switch(faults={"requests": [refusal]}, api_variants={"retry_after": "seconds"})
        drop(rig, 3)
        with anyio.fail_after(60):
            while not rig.local.service.plan.struck:
                await anyio.sleep(0.1)
        before = sum(ledger(rig.local.service)["requests"].values())
        await anyio.sleep(29)
        after = sum(ledger(rig.local.service)["requests"].values())
        await rig.settled(3)

        assert (before, [], [1, 1, 1]) == (after, codes(rig), rig.charged())


async def test_a_service_that_says_429_for_an_absurd_time_is_an_incident(tmp_path: Path) -> None:
    """Minutes without a single answer are told, and end by themselves (scenario 129)."""
    async with running(tmp_path) as rig:
        rig.switch(faults=status("* /v1/*", 429, count=None))
        drop(rig, 3)
        await rig.until(lambda states: ItemState.QUEUED in states.values())
        await anyio.sleep(60)
        before = codes(rig)
        await anyio.sleep(240)
        told = codes(rig)
        rig.switch(faults={})
        await rig.settled(3)

        assert ([], ["RATE_LIMITED"], []) == (before, told, codes(rig))


@pytest.mark.parametrize(("code", "route"), [(401, "* /v1/*"), (402, "POST /v1/models/*")])
async def test_what_is_closed_is_probed_by_one_request_at_a_time(tmp_path: Path, code: int, route: str) -> None:
    """One for all files and slots, ever more rarely (scenarios 81, 130)."""
    async with running(tmp_path) as rig:
        rig.switch(faults=status(route, code, count=None))
        drop(rig, 60)
        await rig.until(lambda _: rig.local.service.plan.struck > 0)
        await anyio.sleep(15)
        soon = rig.local.service.plan.struck
        await anyio.sleep(600)
        later = rig.local.service.plan.struck
        rig.switch(faults={})
        await rig.settled(60)

        assert (True, True) == (soon <= 5, later - soon <= 12)
        assert [1] * 60 == rig.charged()


async def test_an_outage_is_probed_by_one_request_at_a_time(tmp_path: Path) -> None:
    """Nothing else is sent until it gets through (scenario 130)."""
    async with running(tmp_path) as rig:
        rig.switch(faults=status("* /v1/*", 503, count=None))
        drop(rig, 60)
        await rig.until(lambda _: "UNREACHABLE" in codes(rig))
        before = rig.local.service.plan.struck
        await anyio.sleep(300)

        assert 12 > rig.local.service.plan.struck - before > 3


async def test_an_outage_is_reported_once_though_deliveries_go_on(tmp_path: Path) -> None:
    """What comes from the storage says nothing about the API (scenario 130)."""
    slow = {"route": "GET /storage/*", "kind": "slow", "seconds": 20, "count": None}
    gone = {"route": "* /v1/*", "kind": "status", "status": 503, "count": None}
    with structlog.testing.capture_logs() as lines:
        async with running(tmp_path) as rig:
            rig.switch(faults={"requests": [slow]})
            drop(rig, 60)
            await rig.until(lambda states: [ItemState.DOWNLOADING] * 60 == list(states.values()))
            rig.switch(faults={"requests": [slow, gone]})
            rig.drop("later.jpg")
            await rig.until(lambda states: list(states.values()).count(ItemState.DONE) == 60)

    told = [line["code"] for line in lines if line["action"] == "incident.open"]
    assert (["UNREACHABLE"], []) == (told, [line for line in lines if line["action"] == "incident.resolved"])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("batches", [True, False], ids=["batches", "runs"])
async def test_single_faults_close_no_scope(tmp_path: Path, seed: int, *, batches: bool) -> None:
    """A fifth of all requests is lost in every way; all files are done soon, and paid once (scenario 154)."""
    with structlog.testing.capture_logs() as lines:
        async with running(tmp_path) as rig:
            if not batches:
                rig.take_no_batches()
            rig.switch(faults={"rate": 0.2, "seed": seed, "mix": FLAKY})
            drop(rig, 80)
            seconds = await rig.settled(80)

            assert ([1] * 80, 80) == (rig.charged(), len(rig.outputs()))
            assert 60 > seconds

    assert [] == [line for line in lines if line["action"] == "incident.open"]


async def test_one_500_of_an_upload_is_not_the_models_trouble(tmp_path: Path) -> None:
    """It is sent again at once, and the rule goes on (scenario 154)."""
    with structlog.testing.capture_logs() as lines:
        async with running(tmp_path) as rig:
            rig.switch(faults=status("PUT /storage/*", 500))
            drop(rig, 2)
            await rig.settled(2)

    assert {"incident.open", "batch.failed"}.isdisjoint(line["action"] for line in lines)
