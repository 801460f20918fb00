"""What costs money and cannot be used stops early, what is paid for comes, and spent counts from the purchase."""

from __future__ import annotations

import shutil
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from stage_rig import EPOCH, rule, running
from structlog.testing import capture_logs

from runflowd.config import Limits
from runflowd.core.lifecycle import ItemState
from runflowd.core.undeliverable import IN_A_ROW, recipe_of
from runflowd.store.pauses import pauses
from runflowd.store.reports import incidents
from runflowd.store.reserving import Purchase
from runflowd.store.sealing import seal
from runflowd.store.spending import Spend, spent_today

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.core.model import Rule
from runflowd.core.money import Money

pytestmark = pytest.mark.anyio

DOWNLOAD = "GET /storage/*"
GONE = {"requests": [{"route": DOWNLOAD, "kind": "status", "status": 404, "count": None}]}


async def stopped(rig: Rig) -> list[str]:
    """The rules that buy nothing."""
    return [each.rule for each in await rig.store.read(pauses)]


async def told(rig: Rig) -> list[tuple[str, str]]:
    """Scope and code of everything that is wrong."""
    return [(each.scope, each.code) for each in await rig.store.read(incidents)]


async def stays_unbought(rig: Rig, name: str) -> bool:
    """Whether a new file is found and not bought."""
    before = rig.charged()
    rig.drop(name)
    await rig.until(lambda states: name in states)
    await anyio.sleep(120)
    return ((await rig.states())[name], rig.charged()) == (ItemState.READY, before)


def edit(rig: Rig, **changes: Any) -> Rule:
    """Edit the rule, as a reload does."""
    changed = replace(rig.engine.context.rules["studio"], **changes)
    rig.engine.context.rules = {"studio": changed}
    rig.engine.context.stage_events.notify_all()
    return changed


UNDELIVERABLE = ("results:studio", "RESULT_UNDELIVERABLE")


async def test_the_first_paid_result_that_cannot_be_delivered_stops_its_rule(tmp_path: Path) -> None:
    """It is asked for once, nothing more is bought, and an incident says where it can still be had (scenario 116)."""
    async with running(tmp_path) as rig:
        rig.switch(faults=GONE)
        rig.drop("a.jpg")
        await rig.settled(1)
        (item,) = await rig.items()
        (incident,) = await rig.store.read(incidents)

        assert (ItemState.OUTCOME_UNKNOWN, "RESULT_LOST", 1) == (
            item.state,
            item.failure_code,
            rig.local.service.plan.struck,
        )
        assert ([UNDELIVERABLE], ["studio"]) == (await told(rig), await stopped(rig))
        assert f"at the service: run {item.run_id}" in incident.message
        assert await stays_unbought(rig, "b.jpg")
        note = (tmp_path / "out/a.jpg.failed.txt").read_text()
        assert "It is paid for" in note
        assert "buy-again" not in note


async def test_a_stop_outlives_a_restart_with_its_incident(tmp_path: Path) -> None:
    """Nothing is bought because the daemon was started again, or its configuration read anew."""
    async with running(tmp_path) as rig:
        rig.switch(faults=GONE)
        rig.drop("a.jpg")
        await rig.settled(1)
    async with running(tmp_path, began=EPOCH + 3_600) as rig:
        await rig.engine.context.incidents.forget_left()
        await rig.engine.context.incidents.forget_all()

        assert await stays_unbought(rig, "b.jpg")
        assert ([UNDELIVERABLE], ["studio"]) == (await told(rig), await stopped(rig))


async def test_a_person_lets_a_stopped_rule_go_on(tmp_path: Path) -> None:
    """The incident ends with the pause; should it happen again, one more file is bought and no second."""
    async with running(tmp_path) as rig:
        rig.switch(faults=GONE)
        rig.drop("a.jpg")
        await rig.settled(1)
        rig.drop("b.jpg")
        await rig.until(lambda states: "b.jpg" in states)
        await rig.ask("resume", rules=["studio"], everything=False)
        between = (await told(rig), await stopped(rig))
        await rig.settled(2)

        assert (([], []), [UNDELIVERABLE], [1, 1]) == (between, await told(rig), rig.charged())
        assert await stays_unbought(rig, "c.jpg")


async def test_an_edit_of_what_is_bought_lets_a_stopped_rule_go_on(tmp_path: Path) -> None:
    """One of other settings does not; what was found meanwhile is bought as the rule says now."""
    async with running(tmp_path) as rig:
        rig.switch(faults=GONE)
        rig.drop("a.jpg")
        await rig.settled(1)
        edit(rig, rescan=11.0)
        before = await stays_unbought(rig, "b.jpg")
        rig.switch(faults={})
        edit(rig, input={"image_url": "${file.url}", "prompt": "an image, please"})
        await rig.settled(2)

        assert (True, [], [], [1, 1]) == (before, await told(rig), await stopped(rig), rig.charged())
        assert "b.jpg" in rig.outputs()


async def test_what_was_sealed_before_the_edit_is_not_bought_as_it_was(tmp_path: Path) -> None:
    """It would be paid for and be no more use: it is worded anew as well."""
    async with running(tmp_path) as rig:
        rig.switch(faults=GONE)
        rig.drop("a.jpg")
        await rig.settled(1)
        rig.drop("b.jpg")
        await rig.until(lambda states: states.get("b.jpg") is ItemState.READY)
        waiting = rig.engine.context.rules["studio"]
        sealed = partial(
            seal,
            purchase=Purchase(
                (await rig.items())[1].snapshot or "", waiting.name, recipe_of(waiting), waiting.model, "test"
            ),
            limits=waiting.batch,
            money=Money(),
            now=EPOCH,
        )
        await rig.store.write(sealed)
        rig.switch(faults={})
        edit(rig, input={"image_url": "${file.url}", "prompt": "an image, please"})
        await rig.settled(2)
        bought = (await rig.items())[1]

        assert ({"b.jpg"}, [1, 1]) == (rig.outputs() - {"a.jpg.failed.txt"}, rig.charged())
        assert "an image, please" == bought.input["prompt"]


async def test_a_pause_of_a_person_is_ended_by_no_edit(tmp_path: Path) -> None:
    """Theirs came after ours and counts."""
    async with running(tmp_path) as rig:
        rig.switch(faults=GONE)
        rig.drop("a.jpg")
        await rig.settled(1)
        await rig.ask("pause", rules=["studio"], everything=False, reason="stock-taking")
        edit(rig, input={"image_url": "${file.url}", "prompt": "an image, please"})
        await anyio.sleep(30)

        assert ["studio"] == await stopped(rig)


async def test_after_a_success_three_in_a_row_stop_a_rule(tmp_path: Path) -> None:
    """One odd file is that file's affair."""
    async with running(tmp_path) as rig:
        rig.drop("good.jpg")
        await rig.settled(1)
        rig.switch(faults=GONE)
        seen = []
        for number in range(IN_A_ROW):
            rig.drop(f"{number}.jpg")
            await rig.settled(number + 2)
            seen.append(await stopped(rig))

        assert [[], [], ["studio"]] == seen
        assert await stays_unbought(rig, "more.jpg")


async def test_what_was_bought_before_the_stop_is_delivered(tmp_path: Path) -> None:
    """It is paid for: the other file of the batch, and one that was under way."""
    async with running(tmp_path) as rig:
        slow = {"kind": "slow", "seconds": 60, "match": "*slow.jpg"}
        rig.switch(faults={"requests": [{"route": DOWNLOAD, "kind": "status", "status": 404}], "runs": [slow]})
        rig.drop("slow.jpg")
        await rig.until(lambda states: states.get("slow.jpg") is ItemState.SUBMITTED)
        for name in ("a.jpg", "b.jpg"):
            rig.drop(name)
        await rig.settled(3)

        assert (["studio"], 3, 1) == (
            await stopped(rig),
            len(rig.outputs()),
            sum(name.endswith(".failed.txt") for name in rig.outputs()),
        )
        assert "slow.jpg" in rig.outputs()


async def test_a_refused_output_does_not_hold_back_its_siblings(tmp_path: Path) -> None:
    """The others of the same file are delivered, and once the refused one can be had it joins them at no cost
    (scenario 116).
    """
    async with running(tmp_path) as rig:
        refused = {"route": "GET /storage/*bg_remover*", "kind": "status", "status": 404, "count": None}
        rig.switch(api_variants={"stages": True}, faults={"requests": [refused]})
        rig.drop("a.jpg")
        await rig.settled(1)
        (item,) = await rig.items()
        first = rig.outputs() - {"a.jpg.failed.txt"}
        rig.switch(api_variants={"stages": True}, faults={})
        await rig.ask("retry", rule=None, patterns=[], buy_again=False)
        rig.engine.context.stage_events.notify_all()
        await rig.settled(1)

        assert (ItemState.OUTCOME_UNKNOWN, 1) == (item.state, len(first))
        assert f"The other outputs are delivered: {next(iter(first))}" in item.failure
        assert (2, [1], [ItemState.DONE]) == (len(rig.outputs()), rig.charged(), list((await rig.states()).values()))


async def test_a_result_that_is_too_large_is_fetched_once_it_may_be(tmp_path: Path) -> None:
    """Its remedy works when followed to the letter, and costs nothing."""
    async with running(tmp_path) as rig:
        rig.engine.context.limits = Limits(free_space=0, download_size=10)
        rig.drop("a.jpg")
        await rig.settled(1)
        (item,) = await rig.items()
        (incident,) = await rig.store.read(incidents)
        rig.engine.context.limits = Limits(free_space=0)
        await rig.ask("retry", rule=None, patterns=[], buy_again=False)
        await rig.ask("resume", rules=["studio"], everything=False)
        await rig.settled(1)

        assert ("RESULT_TOO_LARGE", "limits.download_size" in incident.remedy) == (item.failure_code, True)
        assert ({"a.jpg"}, [1], []) == (rig.outputs(), rig.charged(), await told(rig))


async def test_a_page_in_the_place_of_an_image_is_no_reason_to_stop_at_once(tmp_path: Path) -> None:
    """A proxy's page goes away again: it is asked for anew, and the rule goes on."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"requests": [{"route": DOWNLOAD, "kind": "login", "count": 3}]})
        rig.drop("a.jpg")
        await rig.settled(1)

        assert ({"a.jpg"}, []) == (rig.outputs(), await stopped(rig))


async def test_a_note_names_the_run_that_has_the_result(tmp_path: Path) -> None:
    """Who reads it has no `runflowd logs`; and what is said of a model's name helps nobody with a result."""
    async with running(tmp_path) as rig:
        rig.switch(faults=GONE)
        rig.drop("a.jpg")
        await rig.settled(1)
        (item,) = await rig.items()
        note = (tmp_path / "out/a.jpg.failed.txt").read_text()

        assert (True, True) == (f"run {item.run_id}" in note, "in the service's history" in note)
        assert "Check the name" not in note


async def test_a_result_that_is_gone_is_asked_for_where_it_may_still_be(tmp_path: Path) -> None:
    """The advice works to the letter: the service shows it again, `resume` fetches it and lets the rule go on."""
    async with running(tmp_path) as rig:
        rig.switch(faults=GONE)
        rig.drop("a.jpg")
        await rig.settled(1)
        (incident,) = await rig.store.read(incidents)
        rig.switch(faults={})
        await rig.ask("resume", rules=["studio"], everything=False)
        rig.drop("b.jpg")
        await rig.settled(2)

        assert "nothing is at its link any more" in incident.message
        assert "`runflowd resume studio`" in incident.remedy
        assert ({"a.jpg", "b.jpg"}, [1, 1], []) == (rig.outputs(), rig.charged(), await told(rig))


async def test_what_a_stopped_rule_reports_is_the_same_wherever_it_is_asked(tmp_path: Path) -> None:
    """To resume it alone would buy the next result that is too large."""
    async with running(tmp_path) as rig:
        rig.engine.context.limits = Limits(free_space=0, download_size=10)
        rig.drop("a.jpg")
        await rig.settled(1)
        (incident,) = await rig.store.read(incidents)
        (stop,) = await rig.store.read(pauses)

        assert (True, incident.remedy) == ("limits.download_size" in stop.remedy, stop.remedy)


async def test_a_stop_is_reported_once(tmp_path: Path) -> None:
    """What was bought before it, and cannot be delivered either, is told as itself."""
    told_at = []
    with capture_logs() as lines:
        async with running(tmp_path) as rig:
            rig.switch(faults=GONE)
            for name in ("a.jpg", "b.jpg", "c.jpg"):
                rig.drop(name)
            await rig.settled(3)
            told_at.append(sum(line["action"] == "rule.paused" for line in lines))
            await rig.ask("resume", rules=["studio"], everything=False)
            rig.drop("d.jpg")
            await rig.settled(4)
            told_at.append(sum(line["action"] == "rule.paused" for line in lines))

    assert [1, 2] == told_at


async def spent(rig: Rig) -> Spend:
    """What counts as spent today."""
    context = rig.engine.context
    return await rig.store.read(partial(spent_today, money=context.money, now=context.clock.wall()))


@pytest.mark.parametrize("runs", [False, True])
async def test_spent_counts_at_the_purchase_and_settles_with_the_result(tmp_path: Path, runs: bool) -> None:
    """Of an unknown price nothing is made up; the last known one counts until the service states the cost."""
    async with running(tmp_path) as rig:
        object.__setattr__(rig.local.service.models["runflow/pass-through"], "price", Decimal("0.35"))
        if runs:
            rig.take_no_batches()
        rig.switch(faults={"runs": [{"kind": "slow", "seconds": 60, "count": None}]})
        seen = []
        for name in ("a.jpg", "b.jpg"):
            rig.drop(name)
            await rig.until(lambda states: ItemState.SUBMITTED in states.values())
            seen.append(await spent(rig))
            await rig.until(lambda states: set(states.values()) == {ItemState.DONE})
            seen.append(await spent(rig))
        rig.jump(24 * 3600.0)

        price, nothing = Decimal("0.35"), Decimal(0)
        assert [
            Spend(nothing, nothing, 1),
            Spend(price, nothing, 0),
            Spend(price, price, 0),
            Spend(2 * price, nothing, 0),
        ] == seen
        assert Decimal("0.70") == seen[2].total
        assert Spend() == await spent(rig)


async def test_what_is_still_being_saved_is_spent(tmp_path: Path) -> None:
    """Its cost is known, its folder is not usable: it was missing from today's spend."""
    async with running(tmp_path) as rig:
        object.__setattr__(rig.local.service.models["runflow/pass-through"], "price", Decimal("0.35"))
        rig.switch(faults={"runs": [{"kind": "slow", "seconds": 30.0, "count": None}]})
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.SUBMITTED)
        shutil.rmtree(tmp_path / "out")
        (tmp_path / "out").write_bytes(b"in the way")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.DOWNLOADING)

        assert Decimal("0.35") == (await spent(rig)).settled


async def test_a_failure_that_was_not_charged_is_not_spent(tmp_path: Path) -> None:
    """Nor estimated: it has ended."""
    async with running(tmp_path, rule(tmp_path)) as rig:
        rig.switch(faults={"runs": [{"kind": "fail"}]})
        rig.drop("a.jpg")
        await rig.settled(1)

        assert Spend() == await spent(rig)
