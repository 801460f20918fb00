"""The client and the local service, which is the API as its documents describe it, in all their API variants."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

import pytest
from local_service import BASE, JPEG, InProcess, ServiceProcess

from runflowd.api import Expired, NotFound, Rejected, Runflow, SecretKey, Service, Status, Transient, Unauthorized
from runflowd.core.outputs import extract
from runflowd.local.api_variants import ApiVariants
from runflowd.local.app import LocalService
from runflowd.local.faults.plan import Faults, RequestFault, RunFault
from runflowd.local.http.control import until_idle
from runflowd.local.settings import LocalSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from runflowd.api import Item

pytestmark = pytest.mark.anyio

MODEL = "runflow/pass-through"
KEY = SecretKey("rf_live_test")
LIMIT = 1_000_000
STAGED = {
    ("batch_models", "none"),
    ("output_urls", "expired"),
    ("replace_inputs", "zip"),
    ("batch_body", "guide_strict"),
    ("batch_body", "reference_strict"),
    ("refused_field", "client_ref"),
}
API_VARIANTS = [
    {name: choice}
    for name, described in ApiVariants.model_fields.items()
    for choice in ((True,) if described.annotation is bool else get_args(described.annotation))
    if choice != described.default and (name, choice) not in STAGED
]
"""All that a client alone can see to; the others need the stages, which buy and read otherwise (tests/pipeline)."""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both event loops: the daemon runs on one, its stage tests on the other."""
    name: str = request.param
    return name


@asynccontextmanager
async def local(folder: Path, **settings: Any) -> AsyncIterator[tuple[Runflow, LocalService]]:
    """A local service in this process and the client of it."""
    async with (
        LocalService(LocalSettings(folder, **settings)) as service,
        Runflow(Service(BASE, "", KEY), transport=InProcess(service.app)) as client,
    ):
        yield client, service


async def upload(client: Runflow, data: bytes = JPEG) -> str:
    """The three steps; returns the signed address."""

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    session = await client.create_upload("a.jpg", "image/jpeg", len(data))
    await client.put(session, "image/jpeg", len(data), chunks)
    return (await client.confirm(session.asset_id)).url


async def fetch(client: Runflow, url: str) -> bytes:
    """Download the whole."""
    async with client.download(url, LIMIT) as download:
        return b"".join([chunk async for chunk in download.chunks])


async def buy(client: Runflow, url: str, *refs: str, form: str = "items") -> str:
    """Create a batch in the guide's form (or the reference's); returns its id."""
    rows: list[dict[str, Any]] = [{"image_url": url, "client_ref": ref} for ref in refs]
    if form == "items":
        rows = [{"input": {"image_url": url}, "client_ref": ref} for ref in refs]
    created = await client.create_batch(MODEL, json.dumps({form: rows}).encode(), f"key-{refs[0]}-{len(refs)}-{form}")
    return created.id


async def journey(client: Runflow, idle: Callable[[], Awaitable[object]]) -> tuple[list[Item], dict[str, bytes]]:
    """Buy two results and fetch them; the items of the batch, and the results by their reference."""
    form = "items"
    url = await upload(client)
    try:
        batch_id = await buy(client, url, "one", "two")
    except Rejected:
        form = "input"
        batch_id = await buy(client, url, "one", "two", form=form)
    await idle()
    assert (await client.batch(batch_id)).ended
    items = [item for item in (await client.items(batch_id)).items if item.output is not None]
    results = {
        item.client_ref: await fetch(client, extract(item.output, "result_*")[0].url)
        if len(extract(item.output)) > 1
        else await fetch(client, extract(item.output)[0].url)
        for item in items
    }
    return items, results


@pytest.mark.parametrize(
    ("anyio_backend", "reading"),
    [("trio", {}), *(("asyncio", one) for one in ({}, *API_VARIANTS))],
    indirect=["anyio_backend"],
    ids=str,
)
async def test_results_come_back_under_every_reading(tmp_path: Path, reading: dict[str, Any]) -> None:
    """Whichever source is right, the first try brings the bytes back to the right reference."""
    async with local(tmp_path, api_variants=ApiVariants(**reading)) as (client, service):
        items, results = await journey(client, lambda: until_idle(service.service, 10))

    wanted = {"one"} if reading.get("items") == "missing" else {"one", "two"}
    assert (wanted, {JPEG}) == (set(results), set(results.values()))
    assert {Status.SUCCEEDED} == {item.status for item in items}


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("reading", [{}, *API_VARIANTS], ids=str)
async def test_failures_tell_their_reason_under_every_reading(tmp_path: Path, reading: dict[str, Any]) -> None:
    """A failed item says why, wherever the service put it; its neighbour is not touched."""
    faults = Faults(runs=(RunFault(match="bad", kind="fail", message="no subject found"),))
    async with local(tmp_path, api_variants=ApiVariants(**reading), faults=faults) as (client, service):
        url = await upload(client)
        form = "input" if reading.get("batch_body") == "reference" else "items"
        batch_id = await buy(client, url, "bad", "good", form=form)
        await until_idle(service.service, 10)
        batch = await client.batch(batch_id)
        (bad,) = {i.client_ref: i for i in (await client.items(batch_id)).items if i.client_ref == "bad"}.values()

    assert bad.failure is not None
    assert (True, Status.FAILED, "no subject found") == (batch.ended, bad.status, bad.failure.message)
    assert batch.status is (Status.PENDING if reading.get("words") == "settled" else Status.PARTIAL)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_journey_works_over_a_socket(tmp_path: Path, backend: str) -> None:
    """The same over TCP, against a process of its own, on both event loops."""
    import anyio
    import anyio.to_thread

    with ServiceProcess(tmp_path) as process:

        async def main() -> dict[str, bytes]:
            async with Runflow(Service(process.url, "", KEY)) as client:
                _, results = await journey(client, lambda: anyio.to_thread.run_sync(process.idle))
                return results

        results = anyio.run(main, backend=backend)

    assert {"one": JPEG, "two": JPEG} == results


async def test_a_lost_answer_is_recovered_under_the_same_key(tmp_path: Path) -> None:
    """The batch was made, the answer was not heard: the same key and bytes give the same batch, once."""
    faults = Faults(requests=(RequestFault(route="POST /v1/models/*/batches", kind="lose"),))
    async with local(tmp_path, faults=faults) as (client, service):
        url = await upload(client)
        with pytest.raises(Transient) as caught:
            await buy(client, url, "one")
        batch_id = await buy(client, url, "one")
        found = await client.find_runs("one")
        await until_idle(service.service, 10)

    assert caught.value.ambiguous
    assert [batch_id] == [run.batch_id for run in found]


@pytest.mark.parametrize("spelling", get_args(ApiVariants.model_fields["filter"].annotation))
async def test_a_run_is_found_however_filters_are_spelled(tmp_path: Path, spelling: Any) -> None:
    """The clients' spelling, the concept page's, either, or a filter nobody reads."""
    async with local(tmp_path, api_variants=ApiVariants(filter=spelling, page_size="small")) as (client, _):
        url = await upload(client)
        await buy(client, url, "one", "two", "three")
        found = await client.find_runs("one")

    assert ["one"] == [run.client_ref for run in found]


async def test_a_run_is_bought_and_read_like_an_item(tmp_path: Path) -> None:
    """Models that take no batches are driven one by one."""
    async with local(tmp_path) as (client, service):
        body = {"input": {"image_url": await upload(client)}, "client_ref": "solo"}
        created = await client.create_run(MODEL, json.dumps(body).encode(), "key-solo")
        await until_idle(service.service, 10)
        run = await client.run(created.id)
        result = await fetch(client, extract(run.output)[0].url)

    assert (Status.SUCCEEDED, "solo", "", JPEG) == (run.status, run.client_ref, run.batch_id, result)


async def test_an_expired_link_is_reported_and_a_fresh_one_works(tmp_path: Path) -> None:
    """Reading the item again mends an expired result."""
    now = [1_800_000_000.0]
    async with (
        LocalService(LocalSettings(tmp_path, url_lifetime=60), clock=lambda: now[0]) as service,
        Runflow(Service(BASE, "", KEY), transport=InProcess(service.app)) as client,
    ):
        batch_id = await buy(client, await upload(client), "one")
        await until_idle(service.service, 10)
        (old,) = (await client.items(batch_id)).items
        now[0] += 3600
        with pytest.raises(Expired):
            await fetch(client, extract(old.output)[0].url)
        (new,) = (await client.items(batch_id)).items
        result = await fetch(client, extract(new.output)[0].url)

    assert result == JPEG


async def test_a_hundred_items_fit_one_page(tmp_path: Path) -> None:
    """The largest batch there is comes back complete."""
    async with local(tmp_path) as (client, service):
        refs = [f"ref-{number}" for number in range(100)]
        batch_id = await buy(client, await upload(client), *refs)
        await until_idle(service.service, 20)
        page = await client.items(batch_id)

    assert (set(refs), None) == ({item.client_ref for item in page.items}, page.next)


async def test_an_item_at_fault_is_pointed_at(tmp_path: Path) -> None:
    """The dispatch stage can leave it out and send the others."""
    async with local(tmp_path, api_variants=ApiVariants(invalid_item="batch")) as (client, _):
        body = {"input": [{"image_url": await upload(client)}, {"image_url": 5}]}
        with pytest.raises(Rejected) as caught:
            await client.create_batch(MODEL, json.dumps(body).encode(), "k")

    assert {1} == caught.value.item_indexes()


async def test_the_account_is_read(tmp_path: Path) -> None:
    """What `doctor` asks of a service."""
    async with local(tmp_path, balance=Decimal("12.5")) as (client, _):
        credit, me, models = await client.credit(), await client.me(), await client.models()
        detail = await client.model("runflow/background-color")
        secret = await client.create_callback_secret("test")

    assert (Decimal("12.5"), Decimal(0)) == (credit and credit.balance, credit and credit.low)
    assert me.id
    assert MODEL in {model.id for model in models}
    assert "color_red" in {one.name for one in detail.inputs}
    assert secret.plain_secret


async def test_refusals_are_distinguished(tmp_path: Path) -> None:
    """A wrong key, a wrong model and a wrong id."""
    async with local(tmp_path, api_keys=frozenset({"good"})) as (client, _):
        with pytest.raises(Unauthorized):
            await client.me()
    async with local(tmp_path / "other") as (client, _):
        with pytest.raises(NotFound):
            await client.create_batch("runflow/no-such", b'{"items": [{"input": {}}]}', "k")
        with pytest.raises(NotFound):
            await client.batch("0198c2a4-0000-7000-8000-000000000000")
