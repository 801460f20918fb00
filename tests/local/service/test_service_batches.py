"""Batches: bodies, limits, items, idempotency, references to images."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from local_service import JPEG, PASS_THROUGH, Caller, local_service

from runflowd.local.api_variants import ApiVariants
from runflowd.local.faults.plan import Faults, RunFault

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
BATCHES = f"{PASS_THROUGH}/batches"
WHOLE = ApiVariants(invalid_item="batch")


async def _items(caller: Caller, count: int) -> list[dict[str, Any]]:
    asset = await caller.upload()
    return [{"image_url": asset["url"], "client_ref": f"ref-{index}"} for index in range(count)]


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_batch_runs_to_its_results(tmp_path: Path, anyio_backend: str) -> None:
    """Every item's output is its picture; the counters and the status say so. On both event loops."""
    async with local_service(tmp_path) as caller:
        made = await caller.batch(*await _items(caller, 3))
        await caller.idle()
        batch = await caller.get(f"/v1/batches/{made['id']}")
        listed = await caller.get(f"/v1/batches/{made['id']}/items")
        pictures = [await caller.fetch(item["output"]["outputs"][0]["url"]) for item in listed["items"]]

    assert (
        made["status_code"],
        batch["status_code"],
        batch["items_succeeded"],
        [picture.content for picture in pictures],
    ) == ("queued", "succeeded", 3, [JPEG] * 3)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda item: {"items": [{"input": item}]},
        lambda item: {"items": [{"input": {"image_url": item["image_url"]}, "client_ref": item["client_ref"]}]},
        lambda item: {"input": [item]},
    ],
)
async def test_both_documented_bodies_are_taken(tmp_path: Path, wrap: Any) -> None:
    """The guide's `items`, client_ref inside or beside, and the reference's `input`."""
    async with local_service(tmp_path) as caller:
        (item,) = await _items(caller, 1)
        answer = await caller.http.post(BATCHES, json=wrap(item))

    assert (answer.status_code, answer.json()["items"][0]["client_ref"]) == (201, "ref-0")


async def test_items_stand_in_the_order_they_were_sent(tmp_path: Path) -> None:
    """sequence_index counts from 0, and run ids exist at creation."""
    async with local_service(tmp_path) as caller:
        made = await caller.batch(*await _items(caller, 4))
        run = await caller.get(f"/v1/runs/{made['items'][2]['run_id']}")

    places = [(item["sequence_index"], item["client_ref"]) for item in made["items"]]
    assert ([(index, f"ref-{index}") for index in range(4)], made["id"]) == (places, run["batch_id"])


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"input": []}, "input"),
        ({"items": []}, "items"),
        ({"items": [{"input": {"image_url": "x"}}] * 101}, "items"),
        ({"input": [{"image_url": "data:,x", "client_ref": "r" * 256}]}, "client_ref"),
        ({"items": [{"input": {}, "client_ref": "r" * 256}]}, "client_ref"),
        ({"input": [{"image_url": "data:,x", "client_ref": 7}]}, "client_ref"),
        ({"input": [{"image_url": "data:,x", "client_ref": "\ud800"}]}, "client_ref"),
        ({"input": [{"image_url": "data:,x"}], "callback_url": "http://h/" + "x" * 2048}, "callback_url"),
        ({"input": [{"image_url": "data:,x"}], "callback_url": "file:///etc/passwd"}, "callback_url"),
        ({}, "input"),
        ({"input": [{"image_url": "data:,x"}], "items": [{"input": {}}]}, "input"),
    ],
)
async def test_an_invalid_body_is_refused_with_its_place(tmp_path: Path, body: Any, place: str) -> None:
    """422, `errors[].loc` points at the culprit, and nothing was made."""
    async with local_service(tmp_path) as caller:
        content = json.dumps(body).encode()
        answer = await caller.http.post(BATCHES, content=content)
        made = caller.ledger()["counts"]["batches"]

    assert (422, place, 0) == (answer.status_code, answer.json()["errors"][0]["loc"][-1], made)


INVALID: tuple[dict[str, Any], ...] = (
    {},
    {"image_url": 7},
    {"image_url": "https://example.com/a.jpg"},
    {"image_url": "runflow://assets/018f0000-0000-7000-8000-00000000dead"},
    {"image_url": "018f0000-0000-7000-8000-00000000dead"},
    {"image_url": "data:image/png;base64,***"},
)


@pytest.mark.parametrize("item", INVALID)
async def test_an_invalid_item_fails_alone_uncharged_and_says_why(tmp_path: Path, item: dict[str, Any]) -> None:
    """It is judged by itself: the batch is made, and the other item has its result."""
    async with local_service(tmp_path) as caller:
        made = await caller.batch({**item, "client_ref": "bad"}, *await _items(caller, 1))
        await caller.idle()
        batch = await caller.get(f"/v1/batches/{made['id']}")
        bad, good = (await caller.get(f"/v1/batches/{made['id']}/items"))["items"]
        charged = caller.ledger()["charged_times"]

    assert ("partial_succeeded", "failed", "succeeded", 1) == (
        batch["status_code"],
        bad["status_code"],
        good["status_code"],
        charged,
    )
    assert ("INPUT_VALIDATION_FAILED", True) == (bad["error"]["code"], bad["failure_message"].startswith("image_url: "))


@pytest.mark.parametrize("item", INVALID)
async def test_an_invalid_item_may_refuse_its_batch(tmp_path: Path, item: dict[str, Any]) -> None:
    """The other reading: 422 that points at the item, and nothing was made."""
    async with local_service(tmp_path, api_variants=WHOLE) as caller:
        answer = await caller.http.post(BATCHES, json={"input": [item]})
        made = caller.ledger()["counts"]["batches"]

    assert (422, "image_url", 0) == (answer.status_code, answer.json()["errors"][0]["loc"][-1], made)


async def test_a_batch_of_invalid_items_has_failed_when_it_is_made(tmp_path: Path) -> None:
    """Nothing of it is ever worked on."""
    async with local_service(tmp_path) as caller:
        made = await caller.batch({}, {"image_url": 7})

    assert ("failed", 2) == (made["status_code"], made["items_failed"])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"NaN", b'{"input": NaN}', b"[" * 100_000, b"\xff"])
async def test_a_body_that_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    """422 rather than a crash."""
    async with local_service(tmp_path) as caller:
        answer = await caller.http.post(BATCHES, content=content)

    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR")


async def test_every_invalid_item_is_named(tmp_path: Path) -> None:
    """A batch of three with two bad ones gets two entries, each with its index."""
    async with local_service(tmp_path, api_variants=WHOLE) as caller:
        (good,) = await _items(caller, 1)
        body = {"input": [{}, good, {"image_url": "ftp://x"}]}
        answer = await caller.http.post(BATCHES, json=body)

    assert [error["loc"][2] for error in answer.json()["errors"]] == [0, 2]


async def test_a_network_url_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """The service never fetches anything itself, and says what to do instead."""
    async with local_service(tmp_path, api_variants=WHOLE) as caller:
        answer = await caller.http.post(BATCHES, json={"input": [{"image_url": "https://example.com/a.jpg"}]})

    assert "never fetches from a network; upload the image as an asset" in answer.json()["message"]


async def test_an_asset_can_be_named_in_four_ways(tmp_path: Path) -> None:
    """Its signed URL from any host, its reference, its bare id, and its bytes; reads show signed URLs."""
    async with local_service(tmp_path) as caller:
        asset = await caller.upload()
        elsewhere = asset["url"].replace("http://local.test", "http://127.0.0.1:1")
        inline = f"data:image/jpeg;base64,{base64.b64encode(JPEG).decode()}"
        references = (asset["url"], elsewhere, f"runflow://assets/{asset['id']}", asset["id"], inline)
        made = await caller.batch(*({"image_url": reference} for reference in references))
        await caller.idle()
        listed = await caller.get(f"/v1/batches/{made['id']}/items")
        echoed = [await caller.fetch(item["input"]["image_url"]) for item in listed["items"]]

    assert [(item["status_code"], answer.content) for item, answer in zip(listed["items"], echoed, strict=True)] == [
        ("succeeded", JPEG)
    ] * 5


async def test_items_are_paged_in_both_directions(tmp_path: Path) -> None:
    """Forward by `next`, back by `previous`, to the same page."""
    async with local_service(tmp_path) as caller:
        made = await caller.batch(*await _items(caller, 5))
        path = f"/v1/batches/{made['id']}/items?limit=2"
        first = await caller.get(path)
        second = await caller.get(f"{path}&pq={first['next']}")
        third = await caller.get(f"{path}&pq={second['next']}")
        back = await caller.get(f"{path}&pq={third['previous']}")

    pages = [[item["sequence_index"] for item in page["items"]] for page in (first, second, third, back)]
    assert (pages, third["next"], first["previous"]) == ([[0, 1], [2, 3], [4], [2, 3]], None, None)


async def test_a_failed_item_says_why_in_itself_and_a_good_one_says_nothing(tmp_path: Path) -> None:
    """`failure_message` stands in the item, beside `error`, and holds the same words."""
    faults = Faults(runs=(RunFault(match="ref-1", kind="fail", message="There is no subject."),))
    async with local_service(tmp_path, faults=faults) as caller:
        made = await caller.batch(*await _items(caller, 2))
        await caller.idle()
        good, bad = (await caller.get(f"/v1/batches/{made['id']}/items"))["items"]

    assert (None, "There is no subject.", "There is no subject.") == (
        good["failure_message"],
        bad["failure_message"],
        bad["error"]["message"],
    )


async def test_one_item_is_read_with_its_run(tmp_path: Path) -> None:
    """The same record as in the list, the whole run inside."""
    async with local_service(tmp_path) as caller:
        made = await caller.batch(*await _items(caller, 2))
        await caller.idle()
        lean = made["items"][1]
        item = await caller.get(f"/v1/batches/{made['id']}/items/{lean['id']}")

    assert (lean["run_id"], "ref-1", "succeeded") == (
        item["run"]["id"],
        item["client_ref"],
        item["run"]["status_code"],
    )


async def test_a_failed_item_makes_the_batch_partial_and_costs_nothing(tmp_path: Path) -> None:
    """Items are independent; only what succeeded is charged."""
    faults = Faults(runs=(RunFault(match="ref-1", kind="fail", code="NO_SUBJECT_FOUND"),))
    async with local_service(tmp_path, faults=faults) as caller:
        made = await caller.batch(*await _items(caller, 3))
        await caller.idle()
        batch = await caller.get(f"/v1/batches/{made['id']}")
        item = (await caller.get(f"/v1/batches/{made['id']}/items"))["items"][1]
        charged = caller.ledger()["charged_times"]

    assert (
        batch["status_code"],
        batch["items_failed"],
        item["error"]["code"],
        item["run"]["failure_code"],
        charged,
    ) == ("partial_succeeded", 1, "NO_SUBJECT_FOUND", "NO_SUBJECT_FOUND", 2)


@pytest.mark.parametrize(("kind", "status"), [("fail", "failed"), ("cancel", "canceled")])
async def test_a_batch_whose_items_all_end_alike_ends_like_them(tmp_path: Path, kind: Any, status: str) -> None:
    """All failed is failed, all cancelled is canceled."""
    faults = Faults(runs=(RunFault(kind=kind, count=None),))
    async with local_service(tmp_path, faults=faults) as caller:
        made = await caller.batch(*await _items(caller, 2))
        await caller.idle()
        batch = await caller.get(f"/v1/batches/{made['id']}")

    assert status == batch["status_code"]


async def test_a_stuck_item_keeps_its_batch_running(tmp_path: Path) -> None:
    """The others end; the batch does not."""
    faults = Faults(runs=(RunFault(match="ref-0", kind="stuck"),))
    async with local_service(tmp_path, faults=faults) as caller:
        made = await caller.batch(*await _items(caller, 2))
        await caller.idle()
        batch = await caller.get(f"/v1/batches/{made['id']}")

    assert (
        batch["status_code"],
        [item["status_code"] for item in batch["items"]],
    ) == ("running", ["running", "succeeded"])


async def test_the_same_key_and_body_replay_the_first_answer(tmp_path: Path) -> None:
    """201 again with the same ids, and no second batch."""
    async with local_service(tmp_path) as caller:
        items = await _items(caller, 1)
        made = [await caller.batch(*items, headers={"Idempotency-Key": "k"}) for _ in range(2)]
        await caller.idle()
        ledger = caller.ledger()

    assert (made[0], 1, 1) == (made[1], ledger["counts"]["batches"], ledger["charged_times"])


async def test_requests_at_once_under_one_key_make_one_batch(tmp_path: Path) -> None:
    """Ten at once, with images that have to be stored first."""
    ids: set[str] = set()
    async with local_service(tmp_path) as caller:

        async def create() -> None:
            made = await caller.batch({"image_url": "data:,x"}, headers={"Idempotency-Key": "k"})
            ids.add(made["id"])

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(create)
        batches = caller.ledger()["counts"]["batches"]

    assert (len(ids), batches) == (1, 1)


async def test_a_reused_key_with_another_body_is_a_conflict(tmp_path: Path) -> None:
    """409 CONFLICT."""
    async with local_service(tmp_path) as caller:
        items = await _items(caller, 2)
        await caller.batch(items[0], headers={"Idempotency-Key": "k"})
        again = await caller.http.post(BATCHES, json={"input": items}, headers={"Idempotency-Key": "k"})

    assert (again.status_code, again.json()["code"]) == (409, "CONFLICT")


async def test_a_refusal_does_not_use_up_the_key(tmp_path: Path) -> None:
    """After a 422 the repaired body may come under the same key."""
    async with local_service(tmp_path, api_variants=WHOLE) as caller:
        items = await _items(caller, 1)
        refused = await caller.http.post(BATCHES, json={"input": [{}]}, headers={"Idempotency-Key": "k"})
        made = await caller.http.post(BATCHES, json={"input": items}, headers={"Idempotency-Key": "k"})

    assert (refused.status_code, made.status_code) == (422, 201)


async def test_too_little_credit_refuses_the_whole_batch_before_anything_is_made(tmp_path: Path) -> None:
    """402; not even the items that the credit would have covered."""
    async with local_service(tmp_path) as caller:
        caller.service.set_balance(caller.service.models["runflow/upscale"].price)
        items = await _items(caller, 2)
        answer = await caller.http.post("/v1/models/runflow/upscale/batches", json={"input": items})
        ledger = caller.ledger()

    assert (
        answer.status_code,
        answer.json()["code"],
        ledger["counts"]["runs"],
    ) == (402, "INSUFFICIENT_CREDITS", 0)


async def test_an_unknown_input_is_ignored_and_named_in_the_log(tmp_path: Path) -> None:
    """A typo does not pass in silence."""
    async with local_service(tmp_path) as caller:
        asset = await caller.upload()
        made = await caller.batch({"image_url": asset["url"], "promt": "white"})
        await caller.idle()
        log = await caller.get(f"/v1/runs/{made['items'][0]['run_id']}/logs")

    assert [entry["message"] for entry in log["items"]] == ["Ignored inputs that this model does not have: promt."]
