"""Keys, identity, credit, probes, catalog, errors in general, and the control routes."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from local_service import BASE, KEY, InProcess, local_service

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer wrong", "Bearer \u00fc"])
async def test_a_request_without_a_good_key_is_unauthorized(tmp_path: Path, header: str | None) -> None:
    """401 whatever the route, whether it exists or not."""
    async with local_service(tmp_path, api_keys=frozenset({"good"})) as caller:
        del caller.http.headers["Authorization"]
        headers = {} if header is None else {b"Authorization": header.encode()}
        answer = await caller.http.get("/v1/auth/me", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")


async def test_any_key_will_do_when_none_is_configured(tmp_path: Path) -> None:
    """A first trial needs no account."""
    async with local_service(tmp_path) as caller:
        me = await caller.get("/v1/auth/me")

    assert me["memberships"][0]["role_code"] == "owner"


@pytest.mark.parametrize("path", ["/v1/health", "/v1/readiness", "/openapi.json"])
async def test_probes_and_description_need_no_key(tmp_path: Path, path: str) -> None:
    """Anyone may ask whether it lives."""
    async with local_service(tmp_path) as caller:
        del caller.http.headers["Authorization"]
        answer = await caller.http.get(path)

    assert answer.status_code == 200


async def test_the_balance_is_a_decimal_string(tmp_path: Path) -> None:
    """As the reference has it."""
    async with local_service(tmp_path, balance=Decimal("10.50")) as caller:
        document = await caller.get("/v1/billing/balance")

    assert document["balance"] == "10.5"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "NOT_FOUND"),
        ("DELETE", "/v1/runs", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/batches/not-an-id", 404, "BATCH_NOT_FOUND"),
        ("POST", "/v1/models/runflow/unknown/runs", 404, "MODEL_NOT_FOUND"),
        ("GET", "/v1/runs?limit=0", 422, "VALIDATION_ERROR"),
        ("GET", "/v1/runs?limit=501", 422, "VALIDATION_ERROR"),
        ("GET", "/v1/runs?pq=nonsense", 422, "VALIDATION_ERROR"),
    ],
)
async def test_every_refusal_is_flat(tmp_path: Path, method: str, path: str, status: int, code: str) -> None:
    """`code`, `message`, `errors`, `request_id`, and nothing else."""
    async with local_service(tmp_path) as caller:
        answer = await caller.http.request(method, path)

    assert (status, code, {"code", "message", "errors", "request_id"}) == (
        answer.status_code,
        answer.json()["code"],
        set(answer.json()),
    )


async def test_the_catalog_lists_every_model(tmp_path: Path) -> None:
    """Page by page."""
    async with local_service(tmp_path) as caller:
        slugs, path = [], "/v1/models?limit=4"
        while path:
            page = await caller.get(path)
            slugs += [f"{model['owner']}/{model['slug']}" for model in page["items"]]
            path = f"/v1/models?limit=4&pq={page['next']}" if page["next"] else ""

    assert list(caller.service.models) == slugs


@pytest.mark.parametrize("query", ["slug.eq:'background-removal'", "cuts network transparency same size removal"])
async def test_a_model_is_found(tmp_path: Path, query: str) -> None:
    """By its slug or by words."""
    async with local_service(tmp_path) as caller:
        found = (await caller.http.get("/v1/models", params={"q": query})).json()

    assert "background-removal" in [model["slug"] for model in found["items"]]


async def test_a_model_shows_its_inputs(tmp_path: Path) -> None:
    """A slug of two parts, its inputs with type, need and limits."""
    async with local_service(tmp_path) as caller:
        model = await caller.get("/v1/models/runflow/outpaint/aspect-ratio")

    shown = [(entry["name"], entry["variable_type_code"], entry["is_required"]) for entry in model["inputs"]]
    assert (
        shown,
        model["inputs"][1]["validator_attrs"]["choices"][0],
    ) == ([("image_url", "image", True), ("aspect_ratio", "string", True)], "1:1")


async def test_a_price_is_found_by_id_and_by_name(tmp_path: Path) -> None:
    """The same rule either way."""
    async with local_service(tmp_path) as caller:
        model = await caller.get("/v1/models/runflow/background-replace")
        by_id = await caller.get(f"/v1/models/{model['id']}/pricing")
        by_name = await caller.get("/v1/models/runflow/background-replace/pricing")

    assert (by_id, "0.35") == (by_name, by_id["items"][0]["price"])


async def test_what_plays_is_priced_by_the_second(tmp_path: Path) -> None:
    """As the prices of hosted video models are."""
    async with local_service(tmp_path) as caller:
        priced = (await caller.get("/v1/models/runflow/image-to-video/pricing"))["items"][0]
        model = await caller.get("/v1/models/runflow/image-to-video")

    assert ("0.112", "second", "per_second", "duration") == (
        priced["price"],
        priced["unit_code"],
        priced["pricing_model_code"],
        priced["dimension_code"],
    )
    assert ("0.112 dollars per second of video", "video_list") == (
        model["pricing_note"],
        model["outputs"][0]["variable_type_code"],
    )


async def test_a_model_without_batches_says_so(tmp_path: Path) -> None:
    """422 with the way out."""
    async with local_service(tmp_path) as caller:
        object.__setattr__(caller.service.models["runflow/pass-through"], "takes_batches", False)
        answer = await caller.http.post("/v1/models/runflow/pass-through/batches", json={"input": [{}]})

    assert (answer.status_code, "create one run for each item" in answer.json()["message"]) == (422, True)


@pytest.mark.parametrize("content", [{"api_variants": {"x": 1}}, {"faults": {"rate": 2}}, {"balance": -1}, {"y": 0}])
async def test_a_control_request_that_makes_no_sense_changes_nothing(tmp_path: Path, content: Any) -> None:
    """422."""
    async with local_service(tmp_path) as caller:
        before = await caller.get("/_control")
        answer = await caller.http.post("/_control", json=content)

        assert (422, before) == (answer.status_code, await caller.get("/_control"))


async def test_control_refuses_what_a_web_page_could_send(tmp_path: Path) -> None:
    """Only application/json, which needs the browser's permission first."""
    async with local_service(tmp_path) as caller:
        answer = await caller.http.post("/_control", content="{}", headers={"Content-Type": "text/plain"})

    assert answer.status_code == 415


async def test_control_is_for_this_machine(tmp_path: Path) -> None:
    """Another address is refused."""
    async with local_service(tmp_path) as caller:
        transport = InProcess(caller.http._transport.app, client=("192.0.2.7", 1))  # type: ignore[attr-defined]
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=KEY) as stranger:
            answer = await stranger.get("/_control/ledger")

    assert answer.status_code == 403


async def test_control_can_be_switched_off(tmp_path: Path) -> None:
    """As if it were not there."""
    async with local_service(tmp_path, control=False) as caller:
        answer = await caller.http.get("/_control")

    assert answer.status_code == 404


async def test_each_service_counts_its_own_requests(tmp_path: Path) -> None:
    """A second service in the same process neither adds to the first one's books nor doubles its own."""
    async with local_service(tmp_path / "one") as one, local_service(tmp_path / "two") as two:
        await one.get("/v1/health")
        await two.get("/v1/health")

        assert (1, 1) == (one.service.requests["GET /v1/health"], two.service.requests["GET /v1/health"])
