"""Money that stops: limits over real batches, real SQLite and a service that charges, in virtual time."""

from __future__ import annotations

import json
import signal
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import anyio
import httpx
import pytest
import trio
from doomed import live_until
from local_service import InProcess
from stage_rig import rule, running
from virtual_clock import patient_clock

from runflowd.api.statistics import Pace
from runflowd.config import Config, Service
from runflowd.core.approval_policy import ApprovalPolicy
from runflowd.core.incident_scope import ScopeKind
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import BatchLimits
from runflowd.core.money import (
    BUDGET_REACHED,
    FILE_TOO_EXPENSIVE,
    PRICE_UNKNOWN,
    Budget,
    Money,
    RuleMoney,
    Stop,
    UnknownPrice,
)
from runflowd.core.other_currency import OTHER_CURRENCY
from runflowd.observability.status import take_status
from runflowd.store.metrics_query import bought_since
from runflowd.store.reserving import limits_of
from runflowd.store.spending import Spend, spent_today
from runflowd.web.page import view

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.core.money import Limit
    from runflowd.store import Connection

pytestmark = pytest.mark.anyio

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 29, 12, tzinfo=BERLIN).timestamp()
UNTOLD = {"route": "GET /v1/models/*", "kind": "status", "status": 404, "count": 1000}
"""The catalogue has no price."""

BUYING = {ItemState.QUEUED, ItemState.SUBMITTED, ItemState.DOWNLOADING, ItemState.DONE, ItemState.OUTCOME_UNKNOWN}


@pytest.fixture
def anyio_backend() -> Any:
    """Virtual time."""
    return "trio", {"clock": patient_clock()}


def money(per_day: str | None = None, price: str | None = "0.30", **says: Any) -> Money:
    """A limit for all rules together, and a price of the rule `studio`."""
    whole = Budget(Decimal(per_day) if per_day else None, stop=says.pop("stop", Stop.CAUTIOUS))
    own = RuleMoney(price=Decimal(price) if price else None, **says)
    return Money(BERLIN, whole, {"studio": own})


def charge(rig: Rig, amount: str) -> None:
    """What the service takes for a file from now on."""
    object.__setattr__(rig.local.service.models["runflow/pass-through"], "price", Decimal(amount))


async def bought(rig: Rig) -> int:
    """How many files are bought, or about to be."""
    return sum(item.state in BUYING for item in await rig.items())


async def limit(rig: Rig, of: str = "studio") -> Limit:
    """The first limit of a rule, and what counts against it."""
    context = rig.engine.context
    read = partial(limits_of, money=context.money, rule=of, now=context.clock.wall())
    return (await rig.store.read(read))[0]


def held(rig: Rig, kind: ScopeKind = ScopeKind.BUDGET) -> list[str]:
    """What is said to be held, as codes."""
    return [each.code for each in rig.engine.context.incidents.snapshot() if each.scope.kind is kind]


async def test_no_more_is_bought_than_fits_the_day(tmp_path: Path) -> None:
    """Ten files at 0.30 under a limit of 1.00 are three, and seven wait, which is said with its end."""
    async with running(tmp_path, began=NOON) as rig:
        rig.engine.context.money = money("1.00")
        charge(rig, "0.30")
        for number in range(10):
            rig.drop(f"{number}.jpg")
        await anyio.sleep(600)
        context = rig.engine.context
        report = next(each for each in context.incidents.snapshot() if each.scope == ScopeKind.BUDGET.of("studio"))
        config = Config((), "", Service(url="https://api.test"), tuple(context.rules.values()), money=context.money)
        take = partial(take_status, place=rig.store.place, config=config.essentials, now=context.clock.wall(), limit=10)
        page = view(await rig.store.read(take), (), {"studio"}, Pace())

        assert ["7 files are held, about $2.10"] == [each.held for each in page.rules]
        assert ["$0.90 charged, $0.00 reserved, $0.10 left of $1.00"] == [each.words for each in page.limits]
        assert (3, 3) == (await bought(rig), sum(rig.charged()))
        assert report.message.startswith("rule studio: 7 files are held, about $2.10. money.budget.per_day is 1.00: ")
        assert "begins anew on 2026-11-30 at 00:00" in report.remedy


async def test_what_is_held_goes_on_when_the_day_begins_anew(tmp_path: Path) -> None:
    """By itself, as much as fits the new day."""
    async with running(tmp_path, began=NOON + 12 * 3600 - 300) as rig:
        rig.engine.context.money = money("1.00")
        charge(rig, "0.30")
        for number in range(5):
            rig.drop(f"{number}.jpg")
        await anyio.sleep(240)
        before = await bought(rig)
        await anyio.sleep(300)

        assert (3, 5, []) == (before, await bought(rig), held(rig))


async def test_a_clock_that_is_set_back_fills_no_limit_anew(tmp_path: Path) -> None:
    """The day on record stays the latest that there was."""
    async with running(tmp_path, began=NOON) as rig:
        rig.engine.context.money = money("1.00")
        charge(rig, "0.30")
        for number in range(3):
            rig.drop(f"{number}.jpg")
        await rig.settled(3)
        rig.jump(-2 * 24 * 3600.0)
        rig.drop("late.jpg")
        await anyio.sleep(600)

        assert (3, [BUDGET_REACHED]) == (await bought(rig), held(rig))


async def test_a_clock_that_was_set_far_ahead_keeps_no_limit_full_for_ever(tmp_path: Path) -> None:
    """Once the service's dates confirm the clock, what was bought meanwhile counts for this day alone."""
    decade = 10 * 365 * 24 * 3600.0
    async with running(tmp_path, began=NOON + 12 * 3600 - 400) as rig:
        rig.engine.context.money = money("0.50")
        charge(rig, "0.30")
        rig.jump(decade)
        rig.drop("early.jpg")
        await rig.settled(1)
        rig.jump(-decade)
        rig.drop("late.jpg")
        await anyio.sleep(200)
        found, before = await limit(rig), await bought(rig)
        await anyio.sleep(300)

        assert (Decimal("0.30"), 1, 2) == (found.charged, before, await bought(rig))
        assert NOON + 12 * 3600 == found.resets_at


async def test_a_rule_that_is_held_writes_nothing_until_something_changes(tmp_path: Path) -> None:
    """Its limits are looked up without a transaction, and only after a commit, an edit or the end of the period."""
    async with running(tmp_path, began=NOON) as rig:
        rig.engine.context.money = money("0.50")
        charge(rig, "0.30")
        rig.drop("a.jpg")
        rig.drop("b.jpg")
        await anyio.sleep(300)
        commits = [rig.store.commits]
        await anyio.sleep(600)
        commits.append(rig.store.commits)
        assert [BUDGET_REACHED] == held(rig)

        rig.engine.context.money = money("5.00")
        await anyio.sleep(60)
        commits.append(rig.store.commits)
        await anyio.sleep(600)
        assert [] == held(rig)
        # Tries every five seconds were 120 more.
        assert commits[1] - commits[0] < rig.store.commits - commits[2] + 30


async def test_an_edit_of_the_limit_counts_within_seconds(tmp_path: Path) -> None:
    """And the incident ends."""
    async with running(tmp_path, began=NOON) as rig:
        rig.engine.context.money = money("0.50")
        charge(rig, "0.30")
        rig.drop("a.jpg")
        rig.drop("b.jpg")
        await anyio.sleep(300)
        before = await bought(rig)
        rig.engine.context.money = money("5.00")
        rig.engine.context.stage_events.intake.notify()
        await anyio.sleep(10)

        assert (1, 2, []) == (before, await bought(rig), held(rig))


async def test_two_rules_that_race_for_one_limit_stay_within_it(tmp_path: Path) -> None:
    """Each is sealed in its own transaction, which sees what the other one reserved."""
    usual = rule(tmp_path, batch=BatchLimits(quiet=1, max_wait=5, max_items=2))
    (tmp_path / "in2").mkdir()
    other = replace(usual, name="second", watch=str(tmp_path / "in2"), output=str(tmp_path / "out2"))
    async with running(tmp_path, usual, other, began=NOON) as rig:
        each = RuleMoney(price=Decimal("0.30"))
        rig.engine.context.money = Money(BERLIN, Budget(Decimal(2)), {"studio": each, "second": each})
        charge(rig, "0.30")
        for number in range(6):
            rig.drop(f"{number}.jpg")
            rig.drop(f"../in2/{number}.jpg", f"other {number}")
        most = Decimal(0)
        for _ in range(300):
            found = await limit(rig)
            most = max(most, found.charged + found.reserved)
            await anyio.sleep(1)

        assert (6, 6, Decimal("1.80")) == (await bought(rig), sum(rig.charged()), most)
        assert [BUDGET_REACHED] * 2 == held(rig)


async def test_a_rule_at_its_own_limit_holds_no_other(tmp_path: Path) -> None:
    """Other rules go on."""
    usual = rule(tmp_path)
    (tmp_path / "in2").mkdir()
    other = replace(usual, name="second", watch=str(tmp_path / "in2"), output=str(tmp_path / "out2"))
    async with running(tmp_path, usual, other, began=NOON) as rig:
        rig.engine.context.money = money(None, budget=Budget(per_day=Decimal("0.10")))
        rig.drop("a.jpg")
        rig.drop("../in2/b.jpg")
        await anyio.sleep(300)

        assert {"a.jpg": ItemState.READY, "b.jpg": ItemState.DONE} == await rig.states()


async def test_a_single_dear_file_is_parked_and_the_rest_of_its_rule_goes_on(tmp_path: Path) -> None:
    """What its recipe cost of late tells which one it is; raising the limit lets it go on."""
    worded = rule(tmp_path, input={"image_url": "${file.url}", "prompt": "${file.dir}"})
    async with running(tmp_path, worded, began=NOON) as rig:
        rig.switch(faults={"requests": [UNTOLD]})
        for count, (folder, price) in enumerate((("cheap", "0.30"), ("dear", "0.80")), start=1):
            charge(rig, price)
            rig.drop(f"{folder}/first.jpg")
            await rig.settled(count)
        rig.engine.context.money = money("9", price=None, budget=Budget(per_file=Decimal("0.60")))
        rig.drop("dear/second.jpg")
        rig.drop("cheap/second.jpg")
        await anyio.sleep(120)
        before, reports = await rig.states(), held(rig, ScopeKind.PER_FILE)
        rig.engine.context.money = money("9", price=None, budget=Budget(per_file=Decimal("0.90")))
        rig.engine.context.stage_events.intake.notify()
        await rig.settled(4)

        assert (ItemState.READY, ItemState.DONE) == (before["dear/second.jpg"], before["cheap/second.jpg"])
        assert ([FILE_TOO_EXPENSIVE], []) == (reports, held(rig, ScopeKind.PER_FILE))


async def test_an_unknown_price_is_learnt_from_one_file(tmp_path: Path) -> None:
    """Then as many follow as fit at what was charged."""
    async with running(tmp_path, began=NOON) as rig:
        rig.engine.context.money = money("1.00", price=None)
        charge(rig, "0.30")
        rig.switch(faults={"runs": [{"kind": "slow", "seconds": 120}], "requests": [UNTOLD]})
        for number in range(10):
            rig.drop(f"{number}.jpg")
        await anyio.sleep(60)
        first, codes = await bought(rig), held(rig)
        await anyio.sleep(900)

        assert (1, [PRICE_UNKNOWN]) == (first, codes)
        assert (3, [BUDGET_REACHED]) == (await bought(rig), held(rig))


async def test_an_unknown_price_may_be_refused(tmp_path: Path) -> None:
    """Then nothing is bought until the rule says what a file costs."""
    async with running(tmp_path, began=NOON) as rig:
        rig.engine.context.money = money("1.00", price=None, unknown_price=UnknownPrice.REFUSE)
        rig.drop("a.jpg")
        await anyio.sleep(300)

        assert ([], [PRICE_UNKNOWN]) == (rig.charged(), held(rig))


async def test_a_soft_limit_stops_once_that_much_is_charged(tmp_path: Path) -> None:
    """What went out before that comes on top."""
    async with running(tmp_path, began=NOON) as rig:
        rig.engine.context.money = money("1.00", stop=Stop.SOFT)
        charge(rig, "0.30")
        for number in range(5):
            rig.drop(f"{number}.jpg")
        await rig.settled(5)
        rig.drop("late.jpg")
        await anyio.sleep(300)

        assert (5, [BUDGET_REACHED]) == (await bought(rig), held(rig))


async def test_a_failure_gives_back_what_was_reserved_for_it(tmp_path: Path) -> None:
    """Unless it was charged."""
    async with running(tmp_path, began=NOON) as rig:
        rig.engine.context.money = money("0.50")
        charge(rig, "0.30")
        rig.switch(faults={"runs": [{"kind": "fail", "count": 1}]})
        rig.drop("bad.jpg")
        await rig.settled(1)
        failed = await limit(rig)
        rig.drop("good.jpg")
        await rig.settled(2)

        assert (Decimal(0), Decimal(0)) == (failed.charged, failed.reserved)
        assert {"bad.jpg": ItemState.FAILED, "good.jpg": ItemState.DONE} == await rig.states()


async def test_a_file_of_unknown_outcome_stays_reserved_and_counts_twice_when_bought_again(tmp_path: Path) -> None:
    """It may have been charged; so may the second one."""
    forgotten = {"route": "GET /v1/batches/*", "kind": "status", "status": 404, "count": 1000}
    async with running(tmp_path, began=NOON) as rig:
        rig.engine.context.money = money("1.00")
        charge(rig, "0.30")
        rig.switch(faults={"requests": [forgotten]})
        rig.drop("a.jpg")
        await rig.until(lambda states: set(states.values()) == {ItemState.OUTCOME_UNKNOWN})
        doubted = await limit(rig)
        rig.switch(faults={})
        await rig.store.write(_no_longer_asked)
        await rig.ask("retry", patterns=["a.jpg"], buy_again=True)
        rig.engine.context.stage_events.intake.notify()
        await rig.settled(1)
        again = await limit(rig)

        assert (Decimal(0), Decimal("0.30")) == (doubted.charged, doubted.reserved)
        assert (Decimal("0.60"), Decimal(0)) == (again.charged, again.reserved)


def _no_longer_asked(connection: Connection) -> None:
    """The service was asked often enough: what is left is to buy again."""
    connection.raw.execute("UPDATE item SET failure_code = 'LOST' WHERE state = 'outcome_unknown'")


class Forgetful(InProcess):
    """The service, whose list of a batch's items leaves one out that it made and charged."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if not request.url.path.startswith("/v1/batches/"):
            return answer
        told = json.loads(await answer.aread())
        return httpx.Response(200, json={**told, "items": told["items"][1:]}, request=request)


async def test_what_a_batch_cost_beyond_its_items_is_charged_to_those_that_it_does_not_list(tmp_path: Path) -> None:
    """A result that is lost was paid for all the same: the ledger has it, and nothing stays reserved."""
    async with running(
        tmp_path, rule(tmp_path, receipts=str(tmp_path / "receipts")), began=NOON, wire=Forgetful
    ) as rig:
        rig.engine.context.money = money("2.00")
        charge(rig, "0.30")
        for number in range(3):
            rig.drop(f"{number}.jpg")
        await rig.settled(3)
        found = await limit(rig)
        receipts = [json.loads(path.read_bytes()) for path in (tmp_path / "receipts").iterdir()]

        assert [ItemState.DONE, ItemState.DONE, ItemState.OUTCOME_UNKNOWN] == sorted((await rig.states()).values())
        assert [("done", "0.3")] * 2 + [("outcome_unknown", "0.3")] == sorted((r["state"], r["cost"]) for r in receipts)
        assert (Decimal("0.90"), Decimal(0)) == (found.charged, found.reserved)


async def test_spent_today_and_the_story_have_both_purchases_of_a_file_that_was_bought_again(tmp_path: Path) -> None:
    """The second one hides nothing: what is shown as spent is what limits count."""
    forgotten = {"route": "GET /v1/batches/*", "kind": "status", "status": 404, "count": 1000}
    async with running(tmp_path, began=NOON) as rig:
        rig.engine.context.money = money("1.00")
        charge(rig, "0.30")
        rig.switch(faults={"requests": [forgotten]})
        rig.drop("a.jpg")
        await rig.until(lambda states: set(states.values()) == {ItemState.OUTCOME_UNKNOWN})
        rig.switch(faults={})
        await rig.store.write(_no_longer_asked)
        await rig.ask("retry", patterns=["a.jpg"], buy_again=True)
        rig.engine.context.stage_events.intake.notify()
        await rig.settled(1)
        context = rig.engine.context
        spent = await rig.store.read(partial(spent_today, money=context.money, now=context.clock.wall()))
        (version,) = (await rig.ask("logs", path="a.jpg"))["versions"]

        assert (Spend(Decimal("0.60")), {"USD": "0.6"}) == (spent, version["charged"])


class Foreign(InProcess):
    """The service, billing in euros: its costs, and its catalogue unless that is `quiet`, say so."""

    quiet = False
    currency = "EUR"

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        path = request.url.path
        if self.quiet and path.startswith("/v1/models/") and request.method == "GET":
            return httpx.Response(404, json={"code": "NOT_FOUND", "message": "no"}, request=request)
        if not path.startswith("/v1/batches/") and not path.endswith("/pricing"):
            return answer
        told = json.loads(await answer.aread())
        rows = [{**row, "currency_code": self.currency} for row in told.get("items", ())]
        return httpx.Response(200, json={**told, "items": rows, "currency": self.currency}, request=request)


class QuietForeign(Foreign):
    """The same without prices in its catalogue."""

    quiet = True


@asynccontextmanager
async def held_by_its_price(tmp_path: Path) -> AsyncIterator[Rig]:
    """A rule that buys nothing, since the catalogue's price is in euros."""
    async with running(tmp_path, began=NOON, wire=Foreign) as rig:
        rig.engine.context.money = money("1.00", price=None)
        rig.drop("a.jpg")
        await anyio.sleep(300)
        yield rig


@asynccontextmanager
async def held_by_a_charge(tmp_path: Path) -> AsyncIterator[Rig]:
    """A rule that buys nothing more, since its first file was charged in euros; the second one waits."""
    async with running(tmp_path, began=NOON, wire=QuietForeign) as rig:
        rig.engine.context.money = money("1.00")
        charge(rig, "0.30")
        rig.drop("a.jpg")
        await rig.settled(1)
        rig.drop("b.jpg")
        await anyio.sleep(300)
        yield rig


async def test_a_price_in_another_currency_holds_its_rule(tmp_path: Path) -> None:
    """Nothing is bought until the configuration says that currency; then limits are in it."""
    async with held_by_its_price(tmp_path) as rig:
        before, codes = await bought(rig), held(rig)
        rig.engine.context.money = replace(money("1.00", price=None), currency="EUR")
        await rig.settled(1)

        assert (0, [OTHER_CURRENCY], []) == (before, codes, held(rig))


async def test_a_resumed_rule_asks_the_catalogue_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its price may be in the configuration's currency again; the list that held the rule would count for hours."""
    async with held_by_its_price(tmp_path) as rig:
        before = held(rig)
        monkeypatch.setattr(Foreign, "currency", "USD")
        await rig.ask("resume", rules=["studio"])
        await rig.settled(1)

        assert ([OTHER_CURRENCY], []) == (before, held(rig))


async def test_a_charge_in_another_currency_holds_its_rule_and_is_no_part_of_any_sum(tmp_path: Path) -> None:
    """Whatever the rule says of prices; an edit of the currency lets it go on, and then the charge counts."""
    async with held_by_a_charge(tmp_path) as rig:
        before = (await bought(rig), held(rig), (await limit(rig)).charged)
        (first, _) = (await rig.ask("list"))["items"]
        (counted,) = await rig.store.read(partial(bought_since, since=NOON, limit=9, currency="USD"))
        now = rig.engine.context.clock.wall()
        spent = await rig.store.read(partial(spent_today, money=rig.engine.context.money, now=now))
        rig.engine.context.money = replace(money("1.00"), currency="EUR")
        await rig.settled(2)

        assert (1, [OTHER_CURRENCY], Decimal(0)) == before
        assert ("0.3", "EUR", Decimal(0)) == (first["cost"], first["currency"], counted.cost)
        assert Spend(others={"EUR": Decimal("0.3")}) == spent
        assert (2, [], Decimal("0.60")) == (await bought(rig), held(rig), (await limit(rig)).charged)


async def test_what_was_sealed_before_a_charge_in_another_currency_is_taken_back(tmp_path: Path) -> None:
    """Only what was on its way then is bought."""
    single = rule(tmp_path, batch=BatchLimits(quiet=1, max_wait=5, max_items=1))
    slow = {"route": "POST /v1/asset-uploads", "kind": "slow", "seconds": 60, "skip": 1, "count": 2}
    async with running(tmp_path, single, began=NOON, wire=QuietForeign) as rig:
        rig.engine.context.money = money("9.00")
        charge(rig, "0.30")
        rig.switch(faults={"requests": [slow]})
        for number in range(3):
            rig.drop(f"{number}.jpg")
        await rig.until(lambda states: list(states.values()).count(ItemState.QUEUED) == 2)
        await anyio.sleep(600)
        states = sorted((await rig.states()).values())

        assert ([ItemState.DONE, ItemState.READY, ItemState.READY], [1]) == (states, rig.charged())
        assert [OTHER_CURRENCY] == held(rig)


async def test_a_rule_held_for_a_currency_goes_on_when_a_person_says_so(tmp_path: Path) -> None:
    """The service may bill as before again, which nothing but another purchase can show."""
    async with held_by_a_charge(tmp_path) as rig:
        before = held(rig)
        answer = await rig.ask("resume", rules=["studio"])
        await rig.settled(2)

        assert ([OTHER_CURRENCY], ["studio"], 2) == (before, answer["resumed"], await bought(rig))


async def test_the_halves_of_a_split_batch_keep_what_was_reserved(tmp_path: Path) -> None:
    """And every file is charged and settled once."""
    async with running(tmp_path, began=NOON) as rig:
        rig.engine.context.money = money("3.00")
        charge(rig, "0.30")
        rig.switch(faults={"requests": [{"route": "POST /v1/models/*/batches", "kind": "status", "status": 422}]})
        for number in range(4):
            rig.drop(f"{number}.jpg")
        most = Decimal(0)
        for _ in range(600):
            found = await limit(rig)
            most = max(most, found.charged + found.reserved)
            await anyio.sleep(1)

        assert (4, Decimal("1.20"), Decimal("1.20")) == (sum(rig.charged()), most, (await limit(rig)).charged)


async def test_a_charge_above_the_price_is_entered_and_said(tmp_path: Path) -> None:
    """What was expected is not what counts."""
    async with running(tmp_path, began=NOON) as rig:
        rig.engine.context.money = money("1.00")
        charge(rig, "0.50")
        rig.drop("a.jpg")
        await rig.settled(1)
        codes = [each.code for each in rig.engine.context.incidents.snapshot()]

        assert (Decimal("0.50"), ["ABOVE_ESTIMATE"]) == ((await limit(rig)).charged, codes)


SAMPLE = ApprovalPolicy(first=2)


@pytest.mark.parametrize(
    ("point", "approve", "expected"),
    [
        ("batch.sealed", ApprovalPolicy(), 3),
        ("batch.sealed", SAMPLE, 2),
        ("purchase.intended", ApprovalPolicy(), 3),
        ("purchase.answered", ApprovalPolicy(), 3),
        ("results.read", ApprovalPolicy(), 3),
        ("results.recorded", ApprovalPolicy(), 3),
        ("batch.ended", ApprovalPolicy(), 3),
    ],
)
def test_a_kill_neither_loses_nor_keeps_a_reservation(
    tmp_path: Path, point: str, approve: ApprovalPolicy, expected: int
) -> None:
    """Around sealing and settling: after the next start the books say what the service charged, and no more.

    Nor does a sample become a larger one.
    """

    async def first() -> None:
        async with running(tmp_path, began=NOON) as rig:
            rig.engine.context.money = money("1.00", approve=approve)
            charge(rig, "0.30")
            for number in range(5):
                rig.drop(f"{number}.jpg")
            await anyio.sleep(600)

    async def second() -> tuple[int, Decimal, Decimal]:
        async with running(tmp_path, began=NOON + 700) as rig:
            rig.engine.context.money = money("1.00", approve=approve)
            charge(rig, "0.30")
            await anyio.sleep(1200)
            found = await limit(rig)
            return sum(rig.charged()), found.charged, found.reserved

    assert -signal.SIGKILL == live_until(point, first)
    assert (expected, expected * Decimal("0.30"), Decimal(0)) == trio.run(second, clock=patient_clock())
