"""Runs: create, search, logs, failures, costs, real pictures."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from local_service import JPEG, PASS_THROUGH, local_service
from PIL import Image

from runflowd.local.api_variants import ApiVariants
from runflowd.local.faults.plan import Faults, RunFault

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
RUNS = f"{PASS_THROUGH}/runs"
UPSCALE = "/v1/models/runflow/upscale/runs"


def _picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 10), (200, 30, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


async def test_a_run_is_created_and_read_to_its_end(tmp_path: Path) -> None:
    """201 queued, then succeeded with metadata and client_ref as sent."""
    async with local_service(tmp_path) as caller:
        body = {"input": {"image_url": "data:,x"}, "metadata": {"a": [1, None]}, "client_ref": "r"}
        made = await caller.http.post(RUNS, json=body)
        await caller.idle()
        run = await caller.get(f"/v1/runs/{made.json()['id']}")

    assert (
        made.status_code,
        made.json()["status_code"],
        run["status_code"],
        run["metadata"],
        run["client_ref"],
    ) == (201, "queued", "succeeded", {"a": [1, None]}, "r")


async def test_a_real_model_returns_a_real_picture_and_is_charged_its_price(tmp_path: Path) -> None:
    """Twice as wide and high; the cost is a decimal string; the balance falls by it."""
    async with local_service(tmp_path) as caller:
        asset = await caller.upload(_picture())
        made = await caller.http.post(UPSCALE, json={"input": {"image_url": asset["url"]}})
        await caller.idle()
        run = await caller.get(f"/v1/runs/{made.json()['id']}")
        answer = await caller.fetch(run["output"]["outputs"][0]["url"])
        balance = await caller.get("/v1/billing/balance")

    assert (
        Image.open(io.BytesIO(answer.content)).size,
        run["cost"],
        balance["balance"],
    ) == ((40, 20), "0.08", "999.92")


async def test_a_video_is_charged_by_its_seconds_and_says_what_it_is(tmp_path: Path) -> None:
    """Reckoned before, charged as long as it plays; the output has its kind and its length."""
    async with local_service(tmp_path, balance=Decimal("0.30")) as caller:
        asset = await caller.upload(_picture())
        answers = [
            await caller.http.post(
                "/v1/models/runflow/image-to-video/runs",
                json={"input": {"start_image_url": asset["id"], "duration": seconds, "resolution": "480p"}},
            )
            for seconds in (3, 2)
        ]
        await caller.idle()
        run = await caller.get(f"/v1/runs/{answers[1].json()['id']}")
        balance = await caller.get("/v1/billing/balance")

    (output,) = run["output"]["outputs"]
    assert ([402, 201], "0.224", "0.076") == ([one.status_code for one in answers], run["cost"], balance["balance"])
    assert ("video", "video/mp4", 2.0) == (output["type"], output["content_type"], output["duration"])


@pytest.mark.parametrize(
    ("kind", "status"),
    [("slow", "succeeded"), ("partial", "partial_succeeded"), ("fail", "failed"), ("cancel", "canceled")],
)
async def test_every_end_of_a_run_is_a_listed_status(tmp_path: Path, kind: Any, status: str) -> None:
    """Terminal, as `/v1/runs/statuses` says: a run that has some of its outputs as well."""
    async with local_service(tmp_path, faults=Faults(runs=(RunFault(kind=kind),))) as caller:
        made = await caller.http.post(RUNS, json={"input": {"image_url": "data:,x"}})
        await caller.idle()
        run = await caller.get(f"/v1/runs/{made.json()['id']}")
        listed = await caller.get("/v1/runs/statuses")

    assert status == run["status_code"]
    assert {"code": status, "is_terminal": True} in listed["items"]


@pytest.mark.parametrize("words", ["canceled", "reference"])
async def test_the_listed_statuses_are_spelled_as_those_of_runs(tmp_path: Path, words: Any) -> None:
    """Sources spell `canceled` with one l or with two; whoever reads the list must find a run's status in it."""
    cancelled = Faults(runs=(RunFault(kind="cancel"),))
    async with local_service(tmp_path, faults=cancelled, api_variants=ApiVariants(words=words)) as caller:
        made = await caller.http.post(RUNS, json={"input": {"image_url": "data:,x"}})
        await caller.idle()
        run = await caller.get(f"/v1/runs/{made.json()['id']}")
        listed = await caller.get("/v1/runs/statuses")

    assert {"code": run["status_code"], "is_terminal": True} in listed["items"]


async def test_a_partial_output_may_be_a_bare_array(tmp_path: Path) -> None:
    """Of a result that is missing there is an entry without an address."""
    partial = Faults(runs=(RunFault(kind="partial"),))
    async with local_service(tmp_path, faults=partial, api_variants=ApiVariants(output="array")) as caller:
        made = await caller.http.post(RUNS, json={"input": {"image_url": "data:,x"}})
        await caller.idle()
        run = await caller.get(f"/v1/runs/{made.json()['id']}")

    assert ("partial_succeeded", [True, False]) == (run["status_code"], [bool(each["url"]) for each in run["output"]])


async def test_a_model_failure_is_shown_and_not_charged(tmp_path: Path) -> None:
    """Bytes that are no image fail in the model, with its code, sentence and stage, also in the log."""
    async with local_service(tmp_path) as caller:
        made = await caller.http.post(UPSCALE, json={"input": {"image_url": "data:,no-image"}})
        await caller.idle()
        run = await caller.get(f"/v1/runs/{made.json()['id']}")
        log = await caller.get(f"/v1/runs/{run['id']}/logs")
        charged = caller.ledger()["charged_times"]

    assert ("failed", "UNREADABLE_IMAGE", "preprocess", "0", [run["failure_message"]], 0) == (
        run["status_code"],
        run["failure_code"],
        run["failure_stage_code"],
        run["cost"],
        [entry["message"] for entry in log["items"] if entry["level_code"] == "error"],
        charged,
    )


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"upscale_factor": 3}, "upscale_factor"),
        ({"upscale_factor": "2"}, "upscale_factor"),
        ({"upscale_factor": True}, "upscale_factor"),
        ({"output_format": "bmp"}, "output_format"),
    ],
)
async def test_inputs_are_checked_against_the_model(tmp_path: Path, given: dict[str, Any], place: str) -> None:
    """Type, range and choices."""
    async with local_service(tmp_path) as caller:
        answer = await caller.http.post(UPSCALE, json={"input": {"image_url": "data:,x", **given}})

    assert (422, ["body", "input", place]) == (answer.status_code, answer.json()["errors"][0]["loc"])


@pytest.mark.parametrize("query", ["client_ref.EQ:'it''s'", "client_ref.eq:'it''s' AND status_code:succeeded"])
async def test_a_run_is_found_by_its_client_ref(tmp_path: Path, query: str) -> None:
    """The filter that shipped clients send, quotes doubled, and the concept page's form beside it."""
    async with local_service(tmp_path) as caller:
        for name in ("it's", "its", "it"):
            await caller.http.post(RUNS, json={"input": {"image_url": "data:,x"}, "client_ref": name})
        await caller.idle()
        found = (await caller.http.get("/v1/runs", params={"q": query})).json()

    assert [run["client_ref"] for run in found["items"]] == ["it's"]


async def test_the_runs_of_a_batch_are_found(tmp_path: Path) -> None:
    """`batch_id` is searchable, and `fields` cuts the records down."""
    async with local_service(tmp_path) as caller:
        made = await caller.batch({"image_url": "data:,x"}, {"image_url": "data:,y"})
        await caller.http.post(RUNS, json={"input": {"image_url": "data:,x"}})
        query = {"q": f"batch_id.EQ:'{made['id']}'", "fields": "id", "sort_by": "created_at:asc"}
        found = (await caller.http.get("/v1/runs", params=query)).json()

    assert [{"id": item["run_id"]} for item in made["items"]] == found["items"]


@pytest.mark.parametrize("query", ["x.EQ:'1'", "client_ref.GT:'1'", "client_ref.EQ:'1", "' OR 1=1"])
async def test_a_filter_that_is_not_understood_is_refused(tmp_path: Path, query: str) -> None:
    """422 rather than every run there is."""
    async with local_service(tmp_path) as caller:
        answer = await caller.http.get("/v1/runs", params={"q": query})

    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", "q"])


async def test_the_newest_run_comes_first(tmp_path: Path) -> None:
    """And a page goes on from where the last one ended."""
    async with local_service(tmp_path) as caller:
        for name in "abc":
            await caller.http.post(RUNS, json={"input": {"image_url": "data:,x"}, "client_ref": name})
        first = await caller.get("/v1/runs?limit=2")
        second = await caller.get(f"/v1/runs?limit=2&pq={first['next']}")

    assert [[run["client_ref"] for run in page["items"]] for page in (first, second)] == [["c", "b"], ["a"]]


async def test_a_missing_run_is_a_404_with_its_own_code(tmp_path: Path) -> None:
    """RUN_NOT_FOUND, flat, with the request's id."""
    async with local_service(tmp_path) as caller:
        answer = await caller.http.get("/v1/runs/018f0000-0000-7000-8000-00000000dead")

    document = answer.json()
    assert (404, "RUN_NOT_FOUND", None, answer.headers["x-request-id"]) == (
        answer.status_code,
        document["code"],
        document["errors"],
        document["request_id"],
    )


async def test_runs_honour_the_idempotency_key_too(tmp_path: Path) -> None:
    """One run for two posts."""
    async with local_service(tmp_path) as caller:
        body = {"input": {"image_url": f"data:,{JPEG[6:12].decode()}"}}
        answers = [await caller.http.post(RUNS, json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert answers[0].json() == answers[1].json()


async def test_the_ledger_shows_a_content_that_was_bought_twice(tmp_path: Path) -> None:
    """What the daemon's tests assert on: times charged by content, model and input."""
    async with local_service(tmp_path) as caller:
        for text in ("x", "x", "y"):
            await caller.http.post(RUNS, json={"input": {"image_url": f"data:,{text}", "prompt": "p"}})
        await caller.idle()
        charges = caller.ledger()["charges"]

    assert [(charge["input"]["prompt"], charge["times"]) for charge in charges] == [("p", 2), ("p", 1)]


async def test_a_model_that_breaks_fails_its_run_with_the_reason(tmp_path: Path) -> None:
    """A bug in a model, or a library that is not installed, ends that run only."""

    def broken(*_: Any) -> Any:
        raise ModuleNotFoundError("No module named 'numpy'", name="numpy")

    async with local_service(tmp_path) as caller:
        model = caller.service.models["runflow/upscale"]
        object.__setattr__(model, "process", broken)
        made = await caller.http.post(UPSCALE, json={"input": {"image_url": "data:,x"}})
        await caller.idle()
        run = await caller.get(f"/v1/runs/{made.json()['id']}")

    assert (
        run["failure_code"],
        "numpy; install it with: pip install 'runflowd[local]'" in run["failure_message"],
    ) == ("DEPENDENCY_MISSING", True)
