"""A batch past its deadline: kept, polled slowly, and told of with its age and what it holds up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from stage_rig import EPOCH, rule, running

from runflowd.config import Notify, Webhook
from runflowd.core.lifecycle import BatchState, ItemState
from runflowd.core.model import BatchLimits
from runflowd.local.faults.plan import Faults, RunFault
from runflowd.pipeline.track.poll_schedule import usual_key
from runflowd.store.connection import stored_value

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.core.model import Rule
    from runflowd.observability.incidents import IncidentReport

pytestmark = pytest.mark.anyio

HOUR = 3600.0
STUCK = Faults(runs=(RunFault(match="*stuck*", kind="stuck", count=None),))


def impatient(folder: Path, deadline: float | None = 300.0) -> Rule:
    """The usual rule, with a deadline of five minutes."""
    return rule(folder, batch=BatchLimits(quiet=5, max_wait=60, deadline=deadline))


def overdue(rig: Rig) -> list[IncidentReport]:
    """The open incidents about batches."""
    return [trouble for trouble in rig.engine.context.incidents.snapshot() if trouble.code == "BATCH_OVERDUE"]


async def until_overdue(rig: Rig, *, so: bool = True, seconds: float = 10 * HOUR) -> float:
    """Wait until a batch is told of as overdue, or none is; give the seconds that took."""
    started = anyio.current_time()
    with anyio.fail_after(seconds):
        while bool(overdue(rig)) is not so:
            await anyio.sleep(1)
    return anyio.current_time() - started


async def notices(rig: Rig) -> list[dict[str, Any]]:
    """The messages that are on their way."""
    return await rig.store.read(
        lambda connection: [dict(row) for row in connection.raw.execute("SELECT * FROM notice")]
    )


async def test_a_batch_past_its_deadline_is_reported_and_ends_by_itself(tmp_path: Path) -> None:
    """With its age, what it holds up, and a notice; once it ends, all is well again (scenarios 92, 132)."""
    async with running(tmp_path, impatient(tmp_path), service={"faults": STUCK}) as rig:
        rig.engine.context.incidents.notify = Notify(webhook=Webhook("https://hooks.test/x"))
        for name in ("a.jpg", "stuck.jpg", "stuck-too.jpg"):
            rig.drop(name)
        taken = await until_overdue(rig)
        (trouble,) = overdue(rig)
        (batch,) = (await rig.ask("status"))["batches"]

        assert 300 <= taken < 360
        assert "1 batch " in trouble.message
        assert "2 files" in trouble.message
        assert ("a.jpg", {"BATCH_OVERDUE"}) == (*rig.outputs(), await _codes_on_their_way(rig))
        assert (True, 3, 1, True) == (batch["overdue"], batch["items"], batch["ended"], batch["age"] > 300)

        rig.switch(faults={})
        await rig.settled(3)
        await until_overdue(rig, so=False, seconds=30)

        assert [1, 1, 1] == rig.charged()


async def _codes_on_their_way(rig: Rig) -> set[str]:
    return {"BATCH_OVERDUE" for each in await notices(rig) if "BATCH_OVERDUE" in each["body"] and each["channel"]}


async def test_without_a_deadline_an_hour_or_ten_times_the_usual_counts(tmp_path: Path) -> None:
    """What a model usually takes says what is too long (scenario 132)."""
    async with running(tmp_path, rule(tmp_path, rescan=600.0), service={"faults": STUCK}) as rig:
        rig.drop("stuck.jpg")
        taken = await until_overdue(rig)

        assert HOUR <= taken < 1.1 * HOUR


async def test_an_overdue_batch_is_reported_at_once_after_a_restart(tmp_path: Path) -> None:
    """The start forgets incidents, and what is on record brings this one back; it may be over then, too (132)."""
    async with running(tmp_path, impatient(tmp_path), service={"faults": STUCK}) as rig:
        rig.drop("stuck.jpg")
        await until_overdue(rig)

    async with running(tmp_path, impatient(tmp_path), service={"faults": STUCK}, began=EPOCH + HOUR) as rig:
        await rig.engine.context.incidents.forget_all()
        taken = await until_overdue(rig)
        rig.switch(faults={})
        await rig.settled(1)
        await until_overdue(rig, so=False, seconds=30)

        assert taken <= 15
        assert [1] == rig.charged()


async def test_several_overdue_batches_of_a_rule_are_one_incident(tmp_path: Path) -> None:
    """With their number and the age of the oldest (scenario 132)."""
    async with running(tmp_path, impatient(tmp_path), service={"faults": STUCK}) as rig:
        rig.drop("stuck.jpg")
        await anyio.sleep(200)
        rig.drop("stuck-too.jpg")
        await anyio.sleep(700)
        (trouble,) = overdue(rig)

        assert "2 batches" in trouble.message
        assert "2 files" in trouble.message
        assert "15m" in trouble.message or "14m" in trouble.message


async def test_a_longer_deadline_counts_for_what_is_under_way(tmp_path: Path) -> None:
    """Whoever knows that the model takes long says so, and the incident is over (scenario 132)."""
    async with running(tmp_path, impatient(tmp_path), service={"faults": STUCK}) as rig:
        rig.drop("stuck.jpg")
        await until_overdue(rig)
        (known,) = rig.engine.context.rules.values()
        rig.engine.context.rules = {known.name: replace(known, batch=replace(known.batch, deadline=24 * HOUR))}

        await until_overdue(rig, so=False, seconds=400)
        assert [BatchState.SUBMITTED] == [batch.state for batch in await rig.batches()]


async def test_runs_of_their_own_have_the_same_deadline(tmp_path: Path) -> None:
    """A model without batches (scenario 132)."""
    async with running(tmp_path, impatient(tmp_path), service={"faults": STUCK}) as rig:
        rig.take_no_batches()
        rig.drop("a.jpg")
        rig.drop("stuck.jpg")
        await until_overdue(rig)
        (trouble,) = overdue(rig)

        assert {"a.jpg"} == rig.outputs()
        assert "1 file " in trouble.message


async def test_what_got_stuck_says_nothing_about_what_is_usual(tmp_path: Path) -> None:
    """The next batch is polled, and counts as overdue, as if there had been no trouble (scenario 132)."""
    async with running(tmp_path, replace(impatient(tmp_path), rescan=600.0), service={"faults": STUCK}) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        before = await usual(rig)
        rig.drop("stuck.jpg")
        await rig.until(lambda states: states.get("stuck.jpg") is ItemState.SUBMITTED)
        await anyio.sleep(5 * HOUR)
        rig.switch(faults={})
        await rig.settled(2)

        assert before == await usual(rig)


async def usual(rig: Rig) -> str | None:
    """What is remembered as the usual time of the model's batches."""
    key = usual_key("runflow/pass-through")
    return await rig.store.read(lambda connection: stored_value(connection, "test", key))
