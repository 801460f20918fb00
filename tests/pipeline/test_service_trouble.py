"""Trouble at the service pauses what it covers, is said once, and ends by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import anyio
import httpx
import pytest
import structlog.testing
from local_service import InProcess
from stage_rig import EPOCH, rule, running

from runflowd.core.lifecycle import BatchState, ItemState
from runflowd.store.retries import Retried, retry

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.store import Connection

pytestmark = pytest.mark.anyio

CREATE = "POST /v1/models/*/batches"
RUN = "POST /v1/models/*/runs"
BATCH = "GET /v1/batches/*"


def strike(route: str, status: int, count: int | None = 3) -> dict[str, Any]:
    """`count` answers with `status`."""
    return {"requests": [{"route": route, "kind": "status", "status": status, "count": count}]}


def submitted_long_ago(connection: Connection) -> None:
    """Let every batch have waited for two hours already."""
    connection.raw.execute("UPDATE batch SET submitted_at = submitted_at - 7200")


def open_codes(rig: Rig) -> set[str]:
    """The codes of the open incidents."""
    return {trouble.code for trouble in rig.engine.context.incidents.snapshot()}


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
@pytest.mark.parametrize("route", ["POST /v1/asset-uploads", CREATE, BATCH, "GET /v1/batches/*/items"])
async def test_passing_trouble_costs_time_only(tmp_path: Path, route: str, status: int) -> None:
    """Whichever call meets it, the file is delivered and charged once (scenarios 80, 86)."""
    async with running(tmp_path) as rig:
        rig.switch(faults=strike(route, status))
        rig.drop("a.jpg")
        await rig.settled(1)

        assert (rig.outputs(), rig.charged(), open_codes(rig)) == ({"a.jpg"}, [1], set())


async def test_no_credit_pauses_buying_and_ends_by_itself(tmp_path: Path) -> None:
    """402: files wait, nothing fails; after a top-up the work goes on (scenario 81)."""
    async with running(tmp_path) as rig:
        rig.switch(faults=strike(CREATE, 402, None))
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.QUEUED)
        await anyio.sleep(600)

        assert ({"OUT_OF_CREDIT"}, {"a.jpg": ItemState.QUEUED}) == (open_codes(rig), await rig.states())

        rig.switch(faults={})
        await rig.settled(1)

        assert (rig.outputs(), rig.charged(), open_codes(rig)) == ({"a.jpg"}, [1], set())


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_pauses_the_service_and_ends_by_itself(tmp_path: Path, status: int) -> None:
    """Files wait until the key works again (scenario 82)."""
    async with running(tmp_path) as rig:
        rig.switch(faults=strike("* /v1/*", status, None))
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.QUEUED)
        await anyio.sleep(600)

        assert {"UNAUTHORIZED"} == open_codes(rig)

        rig.switch(faults={})
        await rig.settled(1)

        assert (rig.outputs(), rig.charged()) == ({"a.jpg"}, [1])


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500}, {"kind": "cut"}], ids=["5xx", "cut"])
async def test_a_single_fault_that_is_repeated_by_itself_is_no_error(tmp_path: Path, fault: dict[str, Any]) -> None:
    """Nobody has to look at what went well the second time."""
    with structlog.testing.capture_logs() as lines:
        async with running(tmp_path) as rig:
            rig.switch(faults={"requests": [{"route": CREATE, **fault}, {"route": BATCH, **fault}]})
            rig.drop("a.jpg")
            await rig.settled(1)

    assert {"a.jpg"} == rig.outputs()
    assert [] == [line for line in lines if line["log_level"] == "error"]


@pytest.mark.parametrize(("status", "remedy"), [(401, "reload"), (402, "Top up")])
async def test_what_to_do_about_the_service_is_said_once(tmp_path: Path, status: int, remedy: str) -> None:
    """With the incident, and neither in its message nor with each batch that it holds up."""
    async with running(tmp_path) as rig:
        rig.switch(faults=strike("* /v1/*", status, None))
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.QUEUED)
        await anyio.sleep(60)
        shown = await rig.ask("status", limit=20)

    (incident,), (batch,) = shown["incidents"], shown["batches"]
    assert (1, 1) == (json.dumps(shown).count(remedy), incident["remedy"].count(remedy))
    assert f"held up by {incident['code']}" == batch["reason"]


async def test_an_unknown_model_pauses_its_rule_only(tmp_path: Path) -> None:
    """The other rule goes on; the incident names the model (scenario 83)."""
    lost = rule(tmp_path / "lost", name="lost", model="runflow/no-such-model")
    async with running(tmp_path, rule(tmp_path), lost) as rig:
        (tmp_path / "lost/in/x.jpg").write_bytes(rig.drop("a.jpg").read_bytes())
        await rig.until(lambda states: states.get("a.jpg") is ItemState.DONE)
        await anyio.sleep(60)

        assert {"MODEL_NOT_FOUND"} == open_codes(rig)
        assert ItemState.QUEUED is (await rig.states())["x.jpg"]


async def test_a_stuck_batch_is_stalled_and_never_bought_again(tmp_path: Path) -> None:
    """Hours without a result: shown with a clock, polled slowly, kept (scenario 92)."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"runs": [{"kind": "stuck", "count": None}]})
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.SUBMITTED)
        await rig.store.write(submitted_long_ago)
        await anyio.sleep(60)
        (batch,) = await rig.batches()

        assert (BatchState.SUBMITTED, True) == (batch.state, batch.stalled_at is not None)


@pytest.mark.parametrize("items", ["shuffled", "doubled"])
async def test_items_in_any_order_find_their_files(tmp_path: Path, items: str) -> None:
    """Each file gets its own result (scenario 94)."""
    async with running(tmp_path) as rig:
        rig.switch(api_variants={"items": items})
        names = [f"{n}.jpg" for n in range(6)]
        sources = {name: rig.drop(name).read_bytes() for name in names}
        await rig.settled(6)

        assert sources == {name: (tmp_path / "out" / name).read_bytes() for name in names}


async def test_an_item_the_service_does_not_list_is_unknown(tmp_path: Path) -> None:
    """Paid or not, nobody can tell: not failed, not bought again (scenario 95)."""
    async with running(tmp_path) as rig:
        rig.switch(api_variants={"items": "missing"})
        for name in ("a.jpg", "b.jpg", "c.jpg"):
            rig.drop(name)
        await rig.settled(3)

        assert [ItemState.DONE, ItemState.DONE, ItemState.OUTCOME_UNKNOWN] == sorted((await rig.states()).values())


async def test_a_failed_item_tells_its_owner_and_may_be_retried(tmp_path: Path) -> None:
    """The note says why; touching the file tries again, and success removes the note (scenario 93)."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"runs": [{"match": "*bad.jpg", "kind": "fail", "message": "No subject found"}]})
        rig.drop("good.jpg")
        bad = rig.drop("bad.jpg")
        await rig.settled(2)

        assert {"good.jpg", "bad.jpg.failed.txt"} == rig.outputs()
        assert "No subject found" in (tmp_path / "out/bad.jpg.failed.txt").read_text()

        bad.touch()
        await rig.until(lambda states: states["bad.jpg"] is ItemState.DONE)

        assert {"good.jpg", "bad.jpg"} == rig.outputs()


async def test_a_cancelled_item_is_not_sent_again(tmp_path: Path) -> None:
    """Whoever cancelled it in the dashboard meant it (scenario 96)."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"runs": [{"kind": "cancel"}]})
        rig.drop("a.jpg")
        await rig.settled(1)
        await anyio.sleep(300)

        assert ({"a.jpg": ItemState.FAILED}, []) == (await rig.states(), rig.charged())


async def test_a_batch_the_service_forgot_is_unknown(tmp_path: Path) -> None:
    """404 on what was bought: stop and ask (scenario 97)."""
    async with running(tmp_path) as rig:
        rig.switch(faults=strike(BATCH, 404, None))
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.OUTCOME_UNKNOWN)

        assert [BatchState.UNKNOWN] == [batch.state for batch in await rig.batches()]


class Wavering(InProcess):
    """The service, whose answers about batches say in turn what `words` say, then the truth."""

    words: ClassVar[list[str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if (
            self.words
            and request.method == "GET"
            and request.url.path.count("/") == 3
            and "batches" in request.url.path
        ):
            told = {**json.loads(await answer.aread()), "status_code": self.words.pop(0)}
            answer = httpx.Response(200, json=told, request=request)
        return answer


async def test_a_status_that_goes_back_is_only_the_next_fact(tmp_path: Path) -> None:
    """Ended, under way again, in a word nobody knows: delivered and paid once, and told once (scenarios 98, 99)."""
    Wavering.words[:] = ["succeeded", "running", "queued", "hibernating", "hibernating", "failed", "running"]
    with structlog.testing.capture_logs() as lines:
        await _waver(tmp_path)

    assert 1 == sum(line["action"] == "batch.unknown_status" and "'hibernating'" in line["event"] for line in lines)


async def _waver(tmp_path: Path) -> None:
    async with running(tmp_path, wire=Wavering) as rig:
        rig.switch(faults={"runs": [{"kind": "slow", "seconds": 20, "count": None}]})
        rig.drop("a.jpg")
        await rig.settled(1)
        await anyio.sleep(600)

        assert ([], {"a.jpg"}, [1]) == (Wavering.words, rig.outputs(), rig.charged())


async def test_what_ended_is_not_undone_by_what_the_service_says_later(tmp_path: Path) -> None:
    """A result on record stays one, whatever is said of it until it is fetched (scenario 99)."""
    async with running(tmp_path) as rig:
        rig.switch(faults=strike("GET /storage/*", 503, None))
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.DOWNLOADING)
        await anyio.sleep(60)
        rig.switch(faults={"requests": [{"route": "GET /v1/*", "kind": "status", "status": 404, "count": None}]})
        await rig.settled(1)

        assert ({"a.jpg": ItemState.DONE}, [1]) == (await rig.states(), rig.charged())


@pytest.mark.parametrize("kind", ["truncate", "cut", "xml", "login"])
async def test_a_broken_download_is_fetched_again(tmp_path: Path, kind: str) -> None:
    """Nothing half or false ever gets the final name (scenarios 112, 114)."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"requests": [{"route": "GET /storage/*", "kind": kind, "count": 2}]})
        source = rig.drop("a.jpg")
        await rig.settled(1)

        assert source.read_bytes() == (tmp_path / "out/a.jpg").read_bytes()
        assert rig.local.service.plan.struck == 2


async def test_an_expired_link_is_read_again(tmp_path: Path) -> None:
    """403 on the result: a fresh URL, the same purchase (scenario 111)."""
    async with running(tmp_path) as rig:
        rig.switch(faults=strike("GET /storage/*", 403, 1))
        rig.drop("a.jpg")
        await rig.settled(1)

        assert (rig.outputs(), rig.charged()) == ({"a.jpg"}, [1])


async def test_a_result_that_is_gone_is_kept_with_its_receipt(tmp_path: Path) -> None:
    """Paid and lost is a state of its own (scenario 116)."""
    async with running(tmp_path) as rig:
        rig.switch(faults=strike("GET /storage/*", 404, None))
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.OUTCOME_UNKNOWN)
        (item,) = await rig.items()

        assert ("RESULT_LOST", [1]) == (item.failure_code, rig.charged())


async def submitted_runs(rig: Rig, *names: str) -> dict[str, str]:
    """Drop these files, buy a run for each, and give the ids of the runs; no answer about runs comes through yet."""
    rig.take_no_batches()
    rig.switch(faults=strike("GET /v1/runs*", 503, None))
    for name in names:
        rig.drop(name)
    await rig.until(lambda states: set(states.values()) == {ItemState.SUBMITTED} and len(states) == len(names))
    return {item.path: item.run_id or "" for item in await rig.items()}


async def test_a_run_the_service_forgot_leaves_the_others_alone(tmp_path: Path) -> None:
    """404 on one of several single runs: that one is asked about, the rest are delivered (scenario 97)."""
    async with running(tmp_path) as rig:
        runs = await submitted_runs(rig, "a.jpg", "b.jpg", "c.jpg")
        rig.switch(faults=strike(f"GET /v1/runs/{runs['a.jpg']}", 404, None))
        await rig.settled(3)
        (lost,) = [item for item in await rig.items() if item.path == "a.jpg"]

        assert {"a.jpg.failed.txt", "b.jpg", "c.jpg"} == rig.outputs()
        assert (ItemState.OUTCOME_UNKNOWN, "NOT_FOUND", [1, 1, 1]) == (lost.state, lost.failure_code, rig.charged())


async def test_a_forgotten_run_is_asked_for_again_when_a_person_says_so(tmp_path: Path) -> None:
    """`retry` looks at that run again and buys nothing."""
    async with running(tmp_path) as rig:
        runs = await submitted_runs(rig, "a.jpg", "b.jpg")
        rig.switch(faults=strike(f"GET /v1/runs/{runs['a.jpg']}", 404, None))
        await rig.settled(2)
        rig.switch(faults={})
        (lost,) = [item for item in await rig.items() if item.path == "a.jpg"]
        told = await rig.store.write(lambda connection: retry(connection, lost, EPOCH, buy_again=False))
        rig.engine.context.stage_events.notify_all()
        await rig.settled(2)

        assert (Retried.ASK, {"a.jpg", "b.jpg"}, [1, 1]) == (told, rig.outputs(), rig.charged())


async def test_a_run_whose_id_never_came_is_found_by_its_reference(tmp_path: Path) -> None:
    """As after a lost answer of which only some runs could be found at first (scenario 60)."""
    async with running(tmp_path) as rig:
        await submitted_runs(rig, "a.jpg", "b.jpg")
        await rig.store.write(
            lambda connection: connection.raw.execute(
                "UPDATE item SET run_id = NULL WHERE id = (SELECT min(id) FROM item)"
            )
        )
        rig.switch(faults={})
        await rig.settled(2)

        assert ({"a.jpg", "b.jpg"}, [1, 1]) == (rig.outputs(), rig.charged())


async def test_a_result_that_moved_is_read_again(tmp_path: Path) -> None:
    """404 on a link is no worse than 403: a fresh one is asked for before the result counts as lost."""
    async with running(tmp_path) as rig:
        slow = {"route": "GET /v1/runs/*", "kind": "slow", "seconds": 5}  # so that the fresh link is another
        rig.switch(faults={"requests": [*strike("GET /storage/*", 404, 1)["requests"], slow]})
        rig.drop("a.jpg")
        await rig.settled(1)

        assert ({"a.jpg": ItemState.DONE}, [1]) == (await rig.states(), rig.charged())


async def test_runs_bought_before_the_credit_ended_are_delivered(tmp_path: Path) -> None:
    """402 in the middle of single runs: what is paid comes home, the rest is bought after the top-up (scenario 81)."""
    async with running(tmp_path) as rig:
        rig.take_no_batches()
        rig.switch(faults={"requests": [{"route": RUN, "kind": "status", "status": 402, "skip": 1, "count": None}]})
        for name in ("a.jpg", "b.jpg", "c.jpg"):
            rig.drop(name)
        await rig.until(lambda states: ItemState.DONE in states.values())

        assert ({"OUT_OF_CREDIT"}, [1], 1) == (open_codes(rig), rig.charged(), len(rig.outputs()))

        rig.switch(faults={})
        await rig.settled(3)

        assert ({"a.jpg", "b.jpg", "c.jpg"}, [1, 1, 1]) == (rig.outputs(), rig.charged())
