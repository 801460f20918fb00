"""What the catalogue says that a file costs: asked before the first purchase, kept, and never waited for in vain."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from local_service import InProcess
from pictures import encoded
from PIL import Image
from stage_rig import rule, running
from virtual_clock import patient_clock

from runflowd.core.incident_scope import ScopeKind
from runflowd.core.lifecycle import ItemState
from runflowd.core.money import Budget, Money, PriceSource, RuleMoney
from runflowd.store.prices import MAX_AGE, Priced, expected_prices, stored_pricing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.core.money import Price
    from runflowd.store import Connection

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 29, 12).astimezone().timestamp()
MODEL = "runflow/pass-through"


@pytest.fixture
def anyio_backend() -> Any:
    """Virtual time."""
    return "trio", {"clock": patient_clock()}


class Pricing(InProcess):
    """The service, with two prices in its catalogue: 0.30, and 0.80 for `size: large`. It counts who asks."""

    asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if not request.url.path.endswith(("/pricing", MODEL)):
            return answer
        told = json.loads(await answer.aread())
        if request.url.path.endswith(MODEL):
            told["inputs"].append({"id": "size-id", "name": "size", "variable_type_code": "string"})
            return httpx.Response(200, json=told, request=request)
        type(self).asked += 1
        usual = {**told["items"][0], "price": "0.30"}
        large = {**usual, "price": "0.80", "model_input_id": "size-id", "match_value": "large"}
        return httpx.Response(200, json={**told, "items": [usual, large]}, request=request)


class ByMegapixel(InProcess):
    """The service, whose catalogue has a price by the megapixel."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if not request.url.path.endswith("/pricing"):
            return answer
        told = json.loads(await answer.aread())
        by_size = {**told["items"][0], "price": "0.10", "unit_code": "megapixel"}
        return httpx.Response(200, json={**told, "items": [by_size]}, request=request)


class Silent(InProcess):
    """The service, whose catalogue never answers."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" and request.url.path.startswith("/v1/models/"):
            await anyio.sleep_forever()
        return await super().handle_async_request(request)


@pytest.fixture
def pricing() -> type[Pricing]:
    """A catalogue of this test alone."""
    return type("OwnPricing", (Pricing,), {"asked": 0})


def charge(rig: Rig, amount: str) -> None:
    """What the service takes for a file from now on."""
    object.__setattr__(rig.local.service.models[MODEL], "price", Decimal(amount))


def limited(rig: Rig, per_day: str, per_file: str = "") -> None:
    """A limit by day for all rules, and one of the rule for a file."""
    budget = Budget(per_file=Decimal(per_file) if per_file else None)
    rig.engine.context.money = Money(None, Budget(Decimal(per_day)), {"studio": RuleMoney(budget)})


async def price(rig: Rig, given: dict[str, Any]) -> Price | None:
    """What a file costs that is sent with these inputs."""
    now = rig.engine.context.clock.wall()

    def read(connection: Connection) -> Price | None:
        return expected_prices(connection, RuleMoney(), "test", MODEL, [Priced("new", given)], now)[0]

    return await rig.store.read(read)


async def test_the_first_purchase_is_held_against_the_price_of_the_catalogue(
    tmp_path: Path, pricing: Callable[..., httpx.AsyncBaseTransport]
) -> None:
    """Three of ten files fit, and none is bought to learn what one costs."""
    small = rule(tmp_path, input={"image_url": "${file.url}", "size": "small"})
    async with running(tmp_path, small, wire=pricing) as rig:
        limited(rig, "1.00")
        charge(rig, "0.30")
        for number in range(10):
            rig.drop(f"{number}.jpg")
        await anyio.sleep(300)
        sizes = [batch.items for batch in await rig.batches()]

        assert ([3], 3) == (sizes, sum(rig.charged()))


async def test_the_file_whose_input_is_dear_is_parked_before_anything_was_bought(
    tmp_path: Path, pricing: Callable[..., httpx.AsyncBaseTransport]
) -> None:
    """Its folder says `large`, which the catalogue prices above `per_file`."""
    worded = rule(tmp_path, input={"image_url": "${file.url}", "size": "${file.dir}"})
    async with running(tmp_path, worded, wire=pricing) as rig:
        limited(rig, "9", per_file="0.60")
        rig.drop("large/a.jpg")
        rig.drop("small/a.jpg")
        await anyio.sleep(300)
        reports = rig.engine.context.incidents.snapshot()
        held = [each.message for each in reports if each.scope.kind is ScopeKind.PER_FILE]

        sentence = "rule studio: 1 file is held, which costs up to 0.80, and budget.per_file is 0.60; the others go on"
        assert {"large/a.jpg": ItemState.READY, "small/a.jpg": ItemState.DONE} == await rig.states()
        assert [sentence] == held


async def test_a_price_is_asked_for_now_and_then_and_only_where_it_counts(
    tmp_path: Path, pricing: type[Pricing]
) -> None:
    """Not without limits, once at first, and again after hours."""
    async with running(tmp_path, wire=pricing) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        asked = [pricing.asked]
        for _ in range(2):
            limited(rig, "1.00")
            await anyio.sleep(60)
            asked.append(pricing.asked)
        rig.jump(7 * 3600.0)
        await anyio.sleep(60)

        assert [0, 1, 1, 2] == [*asked, pricing.asked]


async def test_a_catalogue_that_does_not_answer_holds_nothing_up(tmp_path: Path) -> None:
    """What is charged for one file tells then; the failure is logged and asked for again."""
    refused = {"route": "GET /v1/models/*", "kind": "status", "status": 404, "count": 1000}
    async with running(tmp_path) as rig:
        rig.switch(faults={"requests": [refused]})
        limited(rig, "1.00")
        charge(rig, "0.30")
        for number in range(5):
            rig.drop(f"{number}.jpg")
        await anyio.sleep(600)

        assert ([1, 2], 3) == ([batch.items for batch in await rig.batches()], sum(rig.charged()))


async def test_a_catalogue_that_never_answers_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """A minute, then the price is unknown, and one file is bought to learn it."""
    async with running(tmp_path, wire=Silent) as rig:
        for number in range(4):  # so that the client knows that the service takes several requests at once
            rig.drop(f"{number}.jpg")
        await rig.settled(4)
        limited(rig, "1.00")
        charge(rig, "0.30")
        rig.drop("a.jpg")
        taken = await rig.until(lambda states: states.get("a.jpg") is ItemState.DONE, seconds=300)

        assert 50 < taken < 200


async def test_a_charge_above_the_catalogue_counts_for_the_next_file(
    tmp_path: Path, pricing: Callable[..., httpx.AsyncBaseTransport]
) -> None:
    """Of the same recipe; of another one the catalogue is believed until it was charged."""
    given = {"image_url": "${file.url}", "size": "small"}
    async with running(tmp_path, rule(tmp_path, input=given), wire=pricing) as rig:
        limited(rig, "9")
        charge(rig, "0.50")
        rig.drop("a.jpg")
        await rig.settled(1)
        recipe = (await rig.items())[0].recipe_hash
        now = rig.engine.context.clock.wall()

        def read(connection: Connection) -> list[Price | None]:
            files = [Priced(recipe, given), Priced("other", given)]
            return expected_prices(connection, RuleMoney(), "test", MODEL, files, now)

        found = await rig.store.read(read)
        assert [(Decimal("0.30"), Decimal("0.5")), (Decimal("0.30"), Decimal("0.30"))] == [
            (each.low, each.high) for each in found if each
        ]
        assert {PriceSource.CATALOGUE} == {each.source for each in found if each}


async def test_an_old_price_is_none(tmp_path: Path, pricing: Callable[..., httpx.AsyncBaseTransport]) -> None:
    """A week after the catalogue answered last, nobody knows whether it still says so."""
    async with running(tmp_path, wire=pricing) as rig:
        limited(rig, "9")
        await anyio.sleep(30)
        known = await price(rig, {"size": "large"})
        now = rig.engine.context.clock.wall() + MAX_AGE

        assert known is not None
        assert Decimal("0.80") == known.high
        assert () == await rig.store.read(lambda connection: stored_pricing(connection, "test", MODEL, now))


async def test_a_price_by_the_megapixel_goes_by_the_header_of_each_file(tmp_path: Path) -> None:
    """What is reserved for it is the price of the megapixels that it has."""
    async with running(tmp_path, wire=ByMegapixel) as rig:
        limited(rig, "9")
        for name, size in (("1.png", (1000, 900)), ("2.png", (2000, 1000))):
            (tmp_path / "in" / name).write_bytes(encoded(Image.new("1", size), "PNG"))
        await rig.settled(2)
        reserved = {item.path: item.estimate_high for item in await rig.items()}

    assert {"1.png": Decimal("0.10"), "2.png": Decimal("0.20")} == reserved
