"""A file made again with settings of its own: bought once, kept through edits and retries, and told of."""

from __future__ import annotations

import json
import signal
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trio
from doomed import live_until
from stage_rig import EPOCH, picture, rule, running
from virtual_clock import patient_clock

from runflowd.control.refusal import CommandRefused
from runflowd.core.approval_policy import ApprovalPolicy
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import BatchLimits
from runflowd.core.money import Budget, Money, RuleMoney
from runflowd.core.review import Review, ReviewMode, ReviewPolicy
from runflowd.local.models.contract import InputSpec
from runflowd.store.receipts import draw

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.core.model import Rule
    from runflowd.store.items import Item

pytestmark = pytest.mark.anyio

PROMPT = {"image_url": "${file.url}", "prompt": "grey"}
INPUTS = (
    InputSpec("image_url", "image", required=True),
    InputSpec("prompt", "string"),
    InputSpec("seed", "integer", minimum=0, maximum=9),
)


def prompted(folder: Path, **changes: Any) -> Rule:
    """The usual rule with a prompt."""
    return rule(folder, **{"input": PROMPT, **changes})


@asynccontextmanager
async def at_work(folder: Path, began: float = EPOCH, **changes: Any) -> AsyncIterator[Rig]:
    """The pipeline at work over that rule, whose model says that it takes a prompt and a seed."""
    async with running(folder, prompted(folder, **changes), began=began) as rig:
        object.__setattr__(rig.local.service.models["runflow/pass-through"], "inputs", INPUTS)
        yield rig


async def proposed(rig: Rig, *, forget: bool = False, **settings: str) -> dict[str, Any]:
    """What a run of the one file with these settings would do."""
    item = (await current(rig)).id
    answer = await rig.ask("rerun-with", rule="studio", item=item, settings=settings, forget=forget)
    [found] = answer["items"]
    return {**answer, **found}


async def redo(rig: Rig, *, forget: bool = False, **settings: str) -> str:
    """Have the one file made again; give what was said that would do."""
    found = await proposed(rig, forget=forget, **settings)
    if found["what"] in {"buy", "known"}:
        item = {name: found[name] for name in ("id", "reference", "settings")}
        assert {"marked": 1} == await rig.ask("rerun", items=[item], who="anna")
    await anyio.sleep(60)
    return str(found["what"])


async def current(rig: Rig) -> Item:
    """The item of the one file as it is now."""
    [found] = [item for item in await rig.items() if item.current]
    return found


async def prompts(rig: Rig) -> list[object]:
    """The prompt of each item, oldest first."""
    return [item.input["prompt"] for item in await rig.items() if isinstance(item.input, dict)]


async def test_a_file_is_made_again_with_another_prompt(tmp_path: Path) -> None:
    """It is bought once more, the new result takes the place of the old one, and nothing else is bought."""
    async with at_work(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        found = await redo(rig, prompt="blue")

        assert ("buy", ["grey", "blue"], [1, 1], {"a.jpg"}) == (
            found,
            await prompts(rig),
            rig.charged(),
            rig.outputs(),
        )


async def test_the_same_settings_buy_nothing(tmp_path: Path) -> None:
    """Neither those that a file was made with, nor those of an earlier result, which is taken again."""
    async with at_work(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        unchanged = await redo(rig, prompt="grey")
        changed = await redo(rig, prompt="blue")
        again = await redo(rig, prompt="blue")
        back = await redo(rig, prompt="grey")
        item = await current(rig)

        assert ("same", "buy", "same", "known") == (unchanged, changed, again, back)
        assert (ItemState.DONE, {}, [1, 1]) == (item.state, dict(item.own.values), rig.charged())


async def test_settings_are_kept_when_the_rule_is_run_again(tmp_path: Path) -> None:
    """An edit of the rule reaches the inputs that nobody set for the file; those that somebody set stay."""
    async with at_work(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        await redo(rig, prompt="blue")
        rig.engine.context.rules = {"studio": prompted(tmp_path, input={**PROMPT, "seed": 4})}
        await anyio.sleep(60)
        [chosen] = (await rig.ask("rerun-choose", rule="studio"))["items"]
        await rig.ask("rerun", items=[chosen])
        await anyio.sleep(60)
        item = await current(rig)

        assert ("buy", {"prompt": "blue"}) == (chosen["what"], chosen["own_settings"])
        assert ({"image_url": "${file.url}", "prompt": "blue", "seed": 4}, [1] * 3) == (item.input, rig.charged())


async def test_settings_are_forgotten_when_somebody_says_so(tmp_path: Path) -> None:
    """The file is made as the rule says, at no cost where that result was bought before."""
    async with at_work(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        await redo(rig, prompt="blue")
        found = await redo(rig, forget=True)
        item = await current(rig)

        assert ("known", {}, "grey", [1, 1]) == (found, dict(item.own.values), (await prompts(rig))[-1], rig.charged())


async def test_another_content_is_made_as_the_rule_says(tmp_path: Path) -> None:
    """The settings were for what somebody saw; a new picture under that name is another matter."""
    async with at_work(tmp_path) as rig:
        rig.drop("a.jpg", "one")
        await rig.settled(1)
        await redo(rig, prompt="blue")
        rig.drop("a.jpg", "two")
        await anyio.sleep(60)

        assert ["grey", "blue", "grey"] == await prompts(rig)


async def test_a_renamed_file_keeps_its_settings_and_its_result(tmp_path: Path) -> None:
    """Otherwise the new name would be bought under the rule's prompt."""
    async with at_work(tmp_path) as rig:
        path = rig.drop("a.jpg")
        rig.drop("stays.jpg", "stays")
        await rig.settled(2)
        item = next(each.id for each in await rig.items() if each.path == "a.jpg")
        found = (await rig.ask("rerun-with", rule="studio", item=item, settings={"prompt": "blue"}))["items"]
        await rig.ask("rerun", items=found)
        await anyio.sleep(60)
        path.rename(path.with_name("b.jpg"))
        await anyio.sleep(60)
        renamed = next(each for each in await rig.items() if each.path == "b.jpg")

        assert ({"prompt": "blue"}, [1, 1, 1]) == (dict(renamed.own.values), rig.charged())
        assert {"b.jpg", "stays.jpg"} == rig.outputs()


async def test_an_edit_of_the_rule_while_it_waits_keeps_the_settings(tmp_path: Path) -> None:
    """What is not bought yet is worded anew, with what was set for it alone; also after its folder was wrong."""
    slow = BatchLimits(quiet=600, max_wait=900)
    async with at_work(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        rig.engine.context.rules = {"studio": prompted(tmp_path, batch=slow)}
        await redo(rig, prompt="blue")
        (tmp_path / "in" / "_runflow.yaml").write_text("input: 5\n")
        rig.engine.context.rules = {"studio": prompted(tmp_path, batch=slow, input={**PROMPT, "seed": 4})}
        await anyio.sleep(60)
        held = (await current(rig)).state
        (tmp_path / "in" / "_runflow.yaml").unlink()
        await anyio.sleep(1200)
        item = await current(rig)

        assert (ItemState.WAITING, ItemState.DONE) == (held, item.state)
        assert {"image_url": "${file.url}", "prompt": "blue", "seed": 4} == item.input


async def test_a_retry_keeps_the_settings(tmp_path: Path) -> None:
    """The service failed, and the file is tried again as it was asked for."""
    async with at_work(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        rig.switch(faults={"runs": [{"kind": "fail"}]})
        await redo(rig, prompt="blue")
        failed = (await current(rig)).state
        await rig.ask("retry", reference=(await current(rig)).client_ref)
        await anyio.sleep(60)
        item = await current(rig)

        assert (ItemState.FAILED, ItemState.DONE, "blue") == (failed, item.state, (await prompts(rig))[-1])


async def test_a_failed_file_can_be_made_with_other_settings(tmp_path: Path) -> None:
    """Where the settings were what the service did not like, another try of the same would fail the same way."""
    async with at_work(tmp_path) as rig:
        rig.switch(faults={"runs": [{"kind": "fail"}]})
        rig.drop("a.jpg")
        await rig.settled(1)
        found = await redo(rig, prompt="blue")

        assert ("buy", ItemState.DONE, ["blue"]) == (found, (await current(rig)).state, await prompts(rig))


@pytest.mark.parametrize("single", [False, True])
async def test_settings_that_the_service_refuses_are_this_files_fault(tmp_path: Path, *, single: bool) -> None:
    """The file fails with the service's words; its rule and its folder go on."""
    async with at_work(tmp_path) as rig:
        if single:
            rig.take_no_batches()
        rig.drop("a.jpg")
        await rig.settled(1)
        [found] = (await rig.ask("rerun-with", rule="studio", item=1, settings={"seed": "9"}))["items"]
        narrower = (*INPUTS[:2], InputSpec("seed", "integer", minimum=0, maximum=5))
        object.__setattr__(rig.local.service.models["runflow/pass-through"], "inputs", narrower)
        await rig.ask("rerun", items=[found])
        await anyio.sleep(120)
        item = await current(rig)
        rig.drop("b.jpg")
        await anyio.sleep(60)

        assert ItemState.FAILED == item.state
        assert "seed" in item.failure
        assert ItemState.DONE == (await rig.states())["b.jpg"]


async def test_a_held_result_waits_beside_the_new_one_until_that_takes_its_place(tmp_path: Path) -> None:
    """Who judges sees the old one until then, and the new one waits for a verdict of its own; rejected ones as well."""
    held = ReviewPolicy(ReviewMode.HOLD)
    async with at_work(tmp_path, review=held) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        first = await current(rig)
        await rig.ask("verdict", verdict="reject", item=first.id, who="anna")
        rig.engine.context.stage_events.notify_all()
        await anyio.sleep(5)
        rejected = rig.outputs()
        await redo(rig, prompt="blue")
        item = await current(rig)

        assert (True, Review.WAITING, ItemState.DONE) == ("rejected/a.jpg" in rejected, item.review, item.state)
        assert (tmp_path / "out/.runflowd-held/a.jpg").exists()


async def test_an_edited_result_is_not_replaced(tmp_path: Path) -> None:
    """The new one stands beside it (scenario 53)."""
    async with at_work(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        (tmp_path / "out/a.jpg").write_bytes(picture("retouched"))
        await redo(rig, prompt="blue")

        assert picture("retouched") == (tmp_path / "out/a.jpg").read_bytes()
        assert {"a.jpg", "a (jpg).jpg"} == rig.outputs()


async def test_the_price_of_one_and_what_is_left_are_said_before_it_is_bought(tmp_path: Path) -> None:
    """And that it would wait, where it costs more than is left."""
    money = Money(budget=Budget(per_day=Decimal("0.10")), rules={"studio": RuleMoney(price=Decimal("0.08"))})
    async with at_work(tmp_path) as rig:
        rig.engine.context.money = money
        rig.drop("a.jpg")
        await rig.settled(1)
        found = await proposed(rig, prompt="blue")
        await redo(rig, prompt="blue")
        item = await current(rig)

        assert {"low": "0.08", "high": "0.08", "source": "as its rule says"} == found["price"]
        assert [("money.budget.per_day", "0.10")] == [(each["key"], each["amount"]) for each in found["limits"]]
        assert (ItemState.DONE, {"prompt": "blue"}) == (item.state, dict(item.own.values))


async def test_an_approval_is_asked_for_as_for_any_purchase(tmp_path: Path) -> None:
    """Above what may be bought unasked, the file waits until a person says yes."""
    async with at_work(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        rig.engine.context.money = Money(rules={"studio": RuleMoney(approve=ApprovalPolicy(first=0))})
        await redo(rig, prompt="blue")
        await anyio.sleep(120)
        waits = (await current(rig)).state
        await rig.ask("approve", rule="studio", files=1)
        rig.engine.context.stage_events.notify_all()
        await anyio.sleep(120)

        assert (ItemState.READY, ItemState.DONE) == (waits, (await current(rig)).state)


async def test_the_model_says_what_may_be_set(tmp_path: Path) -> None:
    """An input that the rule leaves out may be set, a value out of bounds is refused before it is bought."""
    async with at_work(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        with pytest.raises(CommandRefused, match="seed must be at most 9"):
            await proposed(rig, seed="10")
        found = await redo(rig, seed="3")

        assert ("buy", {"image_url": "${file.url}", "prompt": "grey", "seed": 3}) == (found, (await current(rig)).input)


async def test_settings_stand_in_the_story_and_in_the_receipt(tmp_path: Path) -> None:
    """Who asked for what; so that nobody wonders why this file is not like the others."""
    async with at_work(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        before = (await current(rig)).id
        await redo(rig, prompt="blue")
        item = await current(rig)
        told = [(await rig.ask("logs", item=number))["versions"][0] for number in (before, item.id)]
        receipt = json.loads(await rig.store.read(lambda connection: draw(connection, item).data))
        steps = [[step["detail"] for step in version["steps"]] for version in told]

        assert "a rerun was asked for: with prompt 'blue', by anna" in steps[0]
        assert f"it is made again: item {item.id}" in steps[0]
        assert any(step.endswith("with prompt of its own") for step in steps[1])
        assert ({"prompt": "blue"}, {"prompt": "blue"}) == (told[1]["settings"], receipt["own_settings"])


@pytest.mark.promise
@pytest.mark.parametrize("point", ["item.hashed:2", "item.recorded:2", "purchase.intended:2", "purchase.answered:2"])
def test_a_kill_on_the_way_leaves_the_settings_and_buys_once(tmp_path: Path, point: str) -> None:
    """Between the request and the service's yes; the next life goes on with what was asked for (scenarios 58, 75)."""

    async def live() -> None:
        async with at_work(tmp_path) as rig:
            rig.drop("a.jpg")
            await rig.settled(1)
            await redo(rig, prompt="blue")

    async def live_on() -> tuple[list[object], list[int]]:
        async with at_work(tmp_path, began=EPOCH + 3_600) as rig:
            await anyio.sleep(120)
            return await prompts(rig), rig.charged()

    code = live_until(point, live)
    made, charged = trio.run(live_on, clock=patient_clock())

    assert (-signal.SIGKILL, ["grey", "blue"], [1, 1]) == (code, made, charged)
