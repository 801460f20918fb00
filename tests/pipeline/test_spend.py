"""What was spent, over real batches: sums by everything, and the ledger against the service's own list of runs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from random import randrange
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import anyio
import httpx
import pytest
from local_service import InProcess
from stage_rig import rule, running
from virtual_clock import patient_clock

from runflowd.api import search
from runflowd.api.errors import ApiError, Permanent, Transient
from runflowd.app.ledger_check import NoCosts, compare_with
from runflowd.core.lifecycle import ItemState
from runflowd.core.money import Money, RuleMoney
from runflowd.core.reconciling import Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.core.reconciling import Comparison

pytestmark = pytest.mark.anyio

BERLIN = ZoneInfo("Europe/Berlin")
EVENING = datetime(2026, 11, 30, 23, 55, tzinfo=BERLIN).timestamp()
"""Five minutes before a day and a month end."""


@pytest.fixture
def anyio_backend() -> Any:
    """Virtual time."""
    return "trio", {"clock": patient_clock()}


def charge(rig: Rig, amount: str) -> None:
    """What the service takes for a file from now on."""
    object.__setattr__(rig.local.service.models["runflow/pass-through"], "price", Decimal(amount))


async def checked(rig: Rig) -> Comparison:
    """The books of both sides."""
    return await compare_with(rig.engine.context.service, rig.store.place, "USD")


async def test_sums_by_everything_are_those_of_the_charges(tmp_path: Path) -> None:
    """By the time of charge, in the zone of the configuration; what failed for nothing is in none of them."""
    usual = rule(tmp_path)
    (tmp_path / "in2").mkdir()
    other = replace(usual, name="second", watch=str(tmp_path / "in2"), output=str(tmp_path / "out2"))
    async with running(tmp_path, usual, other, began=EVENING) as rig:
        rig.engine.context.money = Money(BERLIN)
        charge(rig, "0.30")
        rig.drop("shoes/a.jpg")
        rig.drop("b.jpg")
        await rig.settled(2)
        await anyio.sleep(300)
        charge(rig, "0.50")
        rig.drop("../in2/c.jpg")
        await rig.settled(3)
        found = {by: (await rig.ask("spend", by=by))["rows"] for by in ("rule", "day", "month", "folder", "model")}
        last = await rig.ask("spend", since="2026-12-01")

    assert {
        "rule": [("second", 1, "0.50"), ("studio", 2, "0.60")],
        "day": [("2026-11-30", 2, "0.60"), ("2026-12-01", 1, "0.50")],
        "month": [("2026-11", 2, "0.60"), ("2026-12", 1, "0.50")],
        "folder": [("second", "", 1, "0.50"), ("studio", "", 1, "0.30"), ("studio", "shoes", 1, "0.30")],
        "model": [("runflow/pass-through", 3, "1.10")],
    } == {by: [_short(by, row) for row in rows] for by, rows in found.items()}
    assert [("0.50", 1)] == [(each["spent"], each["purchases"]) for each in last["totals"]]


def _short(by: str, row: dict[str, Any]) -> tuple[Any, ...]:
    group = (row["rule"], row["folder"]) if by == "folder" else (row[by],)
    return (*group, row["purchases"], row["spent"])


async def test_what_is_on_its_way_and_what_is_in_doubt_stand_beside_the_sums(tmp_path: Path) -> None:
    """At their highest price, and not charged."""
    forgotten = {"route": "GET /v1/batches/*", "kind": "status", "status": 404, "count": 1000}
    async with running(tmp_path, began=EVENING) as rig:
        rig.engine.context.money = Money(BERLIN, rules={"studio": RuleMoney(price=Decimal("0.30"))})
        rig.switch(faults={"requests": [forgotten]})
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.OUTCOME_UNKNOWN)
        rig.switch(faults={"runs": [{"kind": "slow", "seconds": 9000}]})
        rig.drop("b.jpg")
        await rig.until(lambda states: states.get("b.jpg") is ItemState.SUBMITTED)
        found = await rig.ask("spend")

    one = [{"currency": "USD", "files": 1, "amount": "0.30", "unpriced": 0}]
    assert ([], one, one) == (found["rows"], found["reserved"], found["unknown"])


async def test_the_books_agree_with_the_service_s(tmp_path: Path) -> None:
    """Also with a run that failed, and one that is under way."""
    async with running(tmp_path, began=EVENING) as rig:
        charge(rig, "0.30")
        for number in range(3):
            rig.drop(f"{number}.jpg")
        await rig.settled(3)
        rig.switch(faults={"runs": [{"kind": "fail", "count": 1}, {"kind": "slow", "seconds": 9000}]})
        rig.drop("failing.jpg")
        await rig.settled(4)
        rig.drop("slow.jpg")
        await rig.until(lambda states: states.get("slow.jpg") is ItemState.SUBMITTED)
        found = await checked(rig)

    assert ((), {"USD": Decimal("0.90")}, {"USD": Decimal("0.90")}) == (found.differences, found.here, found.there)


async def test_a_charge_that_nobody_entered_and_one_that_was_changed_are_found(tmp_path: Path) -> None:
    """A run that was refunded at the service, one under a reference of ours that is not on record, one not listed."""
    async with running(tmp_path, began=EVENING) as rig:
        charge(rig, "0.30")
        for number in range(3):
            rig.drop(f"{number}.jpg")
        await rig.settled(3)
        service = rig.local.service.storage
        service.run("UPDATE runs SET cost = 0 WHERE number = 1")
        service.run("UPDATE runs SET client_ref = ?, batch_id = NULL, id = ? WHERE number = 2", "f" * 32, "0" * 32)
        found = await checked(rig)

    assert [Kind.AMOUNT, Kind.ONLY_HERE, Kind.ONLY_THERE] == sorted(each.kind for each in found.differences)


class Odd(InProcess):
    """The service, whose list of runs is made odd by `twist`."""

    twist: Callable[[dict[str, Any]], Any]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if request.url.path != "/v1/runs":
            return answer
        return httpx.Response(200, json=type(self).twist(json.loads(await answer.aread())), request=request)


def _circular(page: dict[str, Any]) -> Any:
    return {**page, "next": "after-999"}


def _without_costs(page: dict[str, Any]) -> Any:
    return {**page, "items": [{**row, "cost": None} for row in page["items"]]}


def _endless(page: dict[str, Any]) -> Any:
    rows = [{**row, "id": uuid4().hex} for row in page["items"]]
    return {**page, "items": rows, "next": f"after-{randrange(1000, 10**9)}"}


def _no_list(page: dict[str, Any]) -> Any:
    return {"items": "none"}


@pytest.mark.parametrize(
    ("twist", "error", "words"),
    [
        (_circular, Permanent, "its list of runs goes round in circles"),
        (_endless, Permanent, "its list of runs has no end: 3 pages were read"),
        (_without_costs, NoCosts, "says of none what it cost"),
        (_no_list, Transient, "the answer is no list of runs"),
    ],
)
async def test_an_odd_list_of_runs_ends_in_a_clear_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    twist: Callable[[dict[str, Any]], Any],
    error: type[Exception],
    words: str,
) -> None:
    """And never in a page that is read for ever, or in differences that are none."""
    monkeypatch.setattr(search, "MAX_PAGES", 3)
    async with running(tmp_path, began=EVENING, wire=type("Twisted", (Odd,), {"twist": staticmethod(twist)})) as rig:
        charge(rig, "0.30")
        rig.drop("a.jpg")
        await rig.settled(1)
        with pytest.raises(error, match=words) as refused:
            await checked(rig)

    assert isinstance(refused.value, ApiError | NoCosts)
