"""Another try, asked for by a person."""

from __future__ import annotations

import re
import shlex
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from stage_rig import EPOCH, rule, running

from runflowd.commands import retry as retrying
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import BatchLimits
from runflowd.store.retries import Retried, retry

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

pytestmark = pytest.mark.anyio


async def ask(rig: Rig, *, buy_again: bool = False) -> list[Retried]:
    """Retry what failed or is unknown as the command does: in the state file, with no word to the daemon."""
    wanted = [item for item in await rig.items() if item.state in {ItemState.FAILED, ItemState.OUTCOME_UNKNOWN}]
    return [await rig.store.write(partial(retry, item=item, now=EPOCH, buy_again=buy_again)) for item in wanted]


async def test_a_failed_item_is_tried_again(tmp_path: Path) -> None:
    """The daemon finds the wish in the state file by itself."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"runs": [{"kind": "fail"}]})
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.FAILED)
        done = await ask(rig)
        await rig.until(lambda states: states["a.jpg"] is ItemState.DONE)

        assert ([Retried.LOOK], {"a.jpg"}) == (done, rig.outputs())


async def test_what_was_charged_though_it_failed_is_bought_again_when_told_so_only(tmp_path: Path) -> None:
    """It was paid: another try is paid a second time (the books say so)."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"runs": [{"kind": "fail"}]})
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.FAILED)
        (item,) = await rig.items()
        await rig.store.write(
            lambda connection: connection.run("set_cost", id=item.id, batch=item.batch, cost="0.35", currency="USD")
        )
        refused = await ask(rig)
        await anyio.sleep(600)
        before = (await rig.states())["a.jpg"]
        allowed = await ask(rig, buy_again=True)
        await rig.until(lambda states: states["a.jpg"] is ItemState.DONE)

        assert ([Retried.CHARGED], ItemState.FAILED, [Retried.LOOK]) == (refused, before, allowed)


@pytest.mark.parametrize("name", ["a.jpg", "it's a [1] b*.jpg", "-x/--all.jpg"])
async def test_the_command_that_a_note_advises_is_about_its_file_alone(tmp_path: Path, name: str) -> None:
    """Typed as it stands there, whatever the file is called."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"requests": [{"route": "GET /storage/*", "kind": "status", "status": 404, "count": None}]})
        for each in (name, "it's a 1 bc.jpg"):
            rig.drop(each)
        await rig.settled(2)
        advised = re.findall(r"`runflowd retry ([^`]+)`", (tmp_path / f"out/{name}.failed.txt").read_text())
        given = retrying.command.make_context("retry", shlex.split(advised[0])).params
        answer = await rig.ask("retry", **{key: given[key] for key in ("rule", "patterns", "buy_again")})

    assert [name] == [each["path"] for each in answer["items"]]


async def test_a_lost_result_is_fetched_again_at_no_cost(tmp_path: Path) -> None:
    """It was paid for."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"requests": [{"route": "GET /storage/*", "kind": "status", "status": 404}]})
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.OUTCOME_UNKNOWN)
        done = await ask(rig)
        await rig.until(lambda states: states["a.jpg"] is ItemState.DONE)

        assert ([Retried.FETCH], [1]) == (done, rig.charged())


async def test_a_batch_the_service_did_not_know_is_asked_for_again(tmp_path: Path) -> None:
    """The key may have been another organization's for a while."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"requests": [{"route": "GET /v1/batches/*", "kind": "status", "status": 404, "count": 5}]})
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.OUTCOME_UNKNOWN)
        done = await ask(rig)
        await rig.until(lambda states: states["a.jpg"] is ItemState.DONE)

        assert ([Retried.ASK], [1]) == (done, rig.charged())


async def test_what_may_have_been_bought_is_bought_again_only_when_asked_to(tmp_path: Path) -> None:
    """An unlisted item: the first request refuses, the second buys."""
    async with running(tmp_path) as rig:
        rig.switch(api_variants={"items": "missing"})
        rig.drop("a.jpg")
        rig.drop("b.jpg")
        await rig.until(lambda states: ItemState.OUTCOME_UNKNOWN in states.values())
        rig.switch(api_variants={})
        refused = await ask(rig)
        bought = await ask(rig, buy_again=True)
        await rig.settled(2)

        assert ([Retried.REFUSED], [Retried.BUY]) == (refused, bought)
        assert {"a.jpg", "b.jpg"} == rig.outputs()


async def test_an_item_promoted_after_an_edit_is_worded_anew(tmp_path: Path) -> None:
    """Its first one failed to exist; it waited under a text of the rule that is no more."""
    before = rule(
        tmp_path, input={"image_url": "${file.url}", "prompt": "old"}, batch=BatchLimits(quiet=900, max_wait=900)
    )
    after = rule(tmp_path, input={"image_url": "${file.url}", "prompt": "new"})
    async with running(tmp_path, before) as rig:
        first = rig.drop("a.jpg", seed=1)
        await rig.until(lambda states: states.get("a.jpg") is ItemState.READY)
        rig.drop("b.jpg", seed=1)
        await rig.until(lambda states: states.get("b.jpg") is ItemState.DUPLICATE)
        first.unlink()
        rig.engine.context.rules = {after.name: after}
        rig.engine.context.stage_events.notify_all()
        await rig.until(lambda states: states.get("b.jpg") is ItemState.DONE)
        await anyio.sleep(1)

        assert ["new"] == [item.input["prompt"] for item in await rig.items() if item.path == "b.jpg"]
