"""Bought at most once, whatever the service takes, refuses or forgets to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from stage_rig import rule, running

from runflowd.core.lifecycle import BatchState, ItemState
from runflowd.core.model import BatchLimits

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.store import Connection

pytestmark = pytest.mark.anyio

CREATE = "POST /v1/models/*/batches"
RUN = "POST /v1/models/*/runs"


UNAVAILABLE = {"route": CREATE, "kind": "status", "status": 503, "count": None}


def age_intents(connection: Connection) -> None:
    """Make every intent older than any key's memory, as after a long outage."""
    connection.raw.execute("UPDATE purchase SET intended_at = intended_at - 90000")


def strikes(*requests: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Faults of the service, one by one."""
    return {"requests": list(requests), **more}


@pytest.mark.parametrize("body", ["both", "guide", "reference"])
async def test_either_batch_body_is_found_out(tmp_path: Path, body: str) -> None:
    """Whichever source is right about the body, the files are processed (section 10, row 1)."""
    async with running(tmp_path) as rig:
        rig.switch(api_variants={"batch_body": body})
        rig.drop("a.jpg")
        rig.drop("b.jpg")
        await rig.settled(2)

        assert (rig.outputs(), rig.charged()) == ({"a.jpg", "b.jpg"}, [1, 1])


async def test_the_body_that_worked_is_remembered(tmp_path: Path) -> None:
    """The second batch costs one request, not two."""
    async with running(tmp_path) as rig:
        rig.switch(api_variants={"batch_body": "reference"})
        rig.drop("a.jpg")
        await rig.settled(1)
        rig.drop("b.jpg")
        await rig.settled(2)
        purchases = await rig.store.read(
            lambda connection: [
                row["shape"] for row in connection.raw.execute("SELECT shape FROM purchase ORDER BY intended_at")
            ]
        )

        assert ["guide", "reference", "reference"] == purchases


@pytest.mark.parametrize("kind", ["lose", "cut"])
async def test_a_lost_answer_is_repeated_under_the_same_key(tmp_path: Path, kind: str) -> None:
    """The POST may have been acted upon: one batch, one charge (scenarios 60, 61)."""
    async with running(tmp_path) as rig:
        rig.switch(faults=strikes({"route": CREATE, "kind": kind, "count": 2}))
        rig.drop("a.jpg")
        await rig.settled(1)

        assert (rig.outputs(), rig.charged()) == ({"a.jpg"}, [1])


async def test_an_old_intent_is_adopted_by_its_reference(tmp_path: Path) -> None:
    """After a day the key may be forgotten: what the service has is found and taken over (scenario 60)."""
    async with running(tmp_path) as rig:
        rig.switch(faults=strikes({"route": CREATE, "kind": "lose"}, UNAVAILABLE))
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.QUEUED)
        await anyio.sleep(3)
        await rig.store.write(age_intents)
        await rig.settled(1)

        assert ({"a.jpg": ItemState.DONE}, [1]) == (await rig.states(), rig.charged())


async def test_an_old_intent_that_cannot_be_found_is_unknown(tmp_path: Path) -> None:
    """Nothing conclusive after a day: stop and ask, never buy again (R3)."""
    async with running(tmp_path) as rig:
        rig.switch(faults=strikes({"route": CREATE, "kind": "cut"}, UNAVAILABLE))
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.QUEUED)
        await anyio.sleep(3)
        await rig.store.write(age_intents)
        await rig.settled(1)

        assert ({"a.jpg": ItemState.OUTCOME_UNKNOWN}, []) == (await rig.states(), rig.charged())
        assert [BatchState.UNKNOWN] == [batch.state for batch in await rig.batches()]
        assert {"a.jpg.failed.txt"} == rig.outputs()


async def test_a_model_without_batches_gets_runs(tmp_path: Path) -> None:
    """One run per item, the same life otherwise."""
    async with running(tmp_path) as rig:
        rig.take_no_batches()
        rig.drop("a.jpg")
        rig.drop("b.jpg")
        await rig.settled(2)

        assert (rig.outputs(), rig.charged()) == ({"a.jpg", "b.jpg"}, [1, 1])


async def test_a_lost_answer_to_a_run_is_looked_up_first(tmp_path: Path) -> None:
    """A service may ignore the key on runs: the reference finds what was bought."""
    async with running(tmp_path) as rig:
        rig.take_no_batches()
        rig.switch(api_variants={"idempotency": "ignored"}, faults=strikes({"route": RUN, "kind": "lose"}))
        rig.drop("a.jpg")
        await rig.settled(1)

        assert (rig.outputs(), rig.charged()) == ({"a.jpg"}, [1])


@pytest.mark.parametrize("pointer", ["loc", "none"])
async def test_one_refused_item_does_not_hold_up_the_others(tmp_path: Path, pointer: str) -> None:
    """By the error's pointer, else by halving (scenario 84)."""
    async with running(tmp_path) as rig:
        rig.switch(
            api_variants={"pointer": pointer, "invalid_item": "batch"},
            faults={
                "runs": [{"match": "*bad.jpg", "kind": "invalid", "count": None, "message": "is not to our taste"}]
            },
        )
        for name in ("a.jpg", "b.jpg", "bad.jpg", "c.jpg", "d.jpg"):
            rig.drop(name)
        await rig.settled(5)

        assert {"a.jpg", "b.jpg", "c.jpg", "d.jpg", "bad.jpg.failed.txt"} == rig.outputs()
        assert [1, 1, 1, 1] == rig.charged()


async def test_equal_contents_are_bought_once(tmp_path: Path) -> None:
    """Two files with the same bytes cost one, even when dropped together (scenario 12)."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg", seed=1)
        rig.drop("x/copy of a.jpg", seed=1)
        await rig.settled(2)

        assert (rig.outputs(), rig.charged()) == ({"a.jpg", "x/copy of a.jpg"}, [1])


async def test_an_edited_prompt_applies_to_what_is_not_sealed(tmp_path: Path) -> None:
    """What waits for its batch is bought as the rule now says; what was sealed is not touched (scenario 124)."""
    before = rule(
        tmp_path, input={"image_url": "${file.url}", "prompt": "old"}, batch=BatchLimits(quiet=600, max_wait=900)
    )
    after = rule(tmp_path, input={"image_url": "${file.url}", "prompt": "new"})
    async with running(tmp_path, before) as rig:
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.READY)
        rig.engine.context.rules = {after.name: after}
        rig.engine.context.stage_events.notify_all()
        await rig.settled(1)
        bought = [item.input["prompt"] for item in await rig.items()]

        assert (["new"], [1]) == (bought, rig.charged())


async def test_a_service_may_change_the_body_it_takes(tmp_path: Path) -> None:
    """What worked once is doubted when the service blames it; it takes one refused request to learn anew."""
    async with running(tmp_path) as rig:
        rig.switch(api_variants={"batch_body": "guide"})
        rig.drop("a.jpg")
        await rig.settled(1)
        rig.switch(api_variants={"batch_body": "reference"})
        rig.drop("b.jpg")
        await rig.settled(2)
        shapes = await rig.store.read(
            lambda connection: [
                row["shape"] for row in connection.raw.execute("SELECT shape FROM purchase ORDER BY intended_at")
            ]
        )

        assert ["guide", "guide", "reference"] == shapes


async def test_a_request_still_under_way_is_waited_for(tmp_path: Path) -> None:
    """A repeated request may meet its first one unfinished and be refused for it: it is asked again, with one key."""
    async with running(tmp_path) as rig:
        rig.switch(
            faults=strikes(
                {"route": CREATE, "kind": "cut"}, {"route": CREATE, "kind": "status", "status": 409, "count": 2}
            )
        )
        rig.drop("a.jpg")
        await rig.settled(1)

        assert ({"a.jpg"}, [1]) == (rig.outputs(), rig.charged())


@pytest.mark.parametrize("first", ["cut", "status"])
async def test_a_key_in_use_with_other_bytes_is_never_papered_over(tmp_path: Path, first: str) -> None:
    """409 for good, at once or after a lost answer: no new key is tried, the operator is asked (scenario 85)."""
    async with running(tmp_path) as rig:
        conflict = {"route": CREATE, "kind": "status", "status": 409, "count": None}
        rig.switch(faults=strikes({**conflict, "kind": first, "count": 1}, conflict))
        rig.drop("a.jpg")
        await rig.settled(1)
        keys = await rig.store.read(
            lambda connection: connection.raw.execute("SELECT count(*) FROM purchase").fetchall()
        )

        assert ({"a.jpg": ItemState.OUTCOME_UNKNOWN}, [], 1) == (await rig.states(), rig.charged(), keys[0][0])


async def test_a_key_conflict_of_one_run_leaves_the_others_alone(tmp_path: Path) -> None:
    """For a model without batches each purchase stands for one file."""
    async with running(tmp_path) as rig:
        rig.take_no_batches()
        rig.switch(faults=strikes({"route": RUN, "kind": "status", "status": 409}))
        rig.drop("a.jpg")
        rig.drop("b.jpg")
        await rig.settled(2)

        assert [ItemState.DONE, ItemState.OUTCOME_UNKNOWN] == sorted((await rig.states()).values())
        assert [1] == rig.charged()
