"""A batch that is at another service than the one in use: told of, left alone, and taken up once that one is back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from stage_rig import EPOCH, running

from runflowd.core.lifecycle import ItemState
from runflowd.local.faults.plan import Faults, RunFault

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.observability.incidents import IncidentReport

pytestmark = pytest.mark.anyio

OLD, NEW = "https://old.test", "https://new.test"
STUCK = {"faults": Faults(runs=(RunFault(match="*stuck*", kind="stuck", count=None),))}


def reported(rig: Rig) -> list[IncidentReport]:
    """The open incidents about batches at another service."""
    return [report for report in rig.engine.context.incidents.snapshot() if report.code == "OTHER_SERVICE"]


async def _sent_to_the_old_one(folder: Path) -> None:
    async with running(folder, named=OLD, service=STUCK) as rig:
        rig.drop("stuck.jpg")
        await rig.until(lambda states: states.get("stuck.jpg") is ItemState.SUBMITTED)


async def test_what_was_sent_to_another_address_is_told_of_with_both(tmp_path: Path) -> None:
    """It would wait for ever, without a word; new files go on, and nothing is bought twice."""
    await _sent_to_the_old_one(tmp_path)

    async with running(tmp_path, named=NEW, began=EPOCH + 100, service=STUCK) as rig:
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.DONE)
        (report,) = reported(rig)

        assert f"rule studio: 1 batch was sent to {OLD}, and the service is {NEW} now" in report.message
        assert "1 file waits for it" in report.message
        assert f"Put `service.url: {OLD}` back" in report.remedy
        assert [1] == rig.charged(), "for the new file; the stuck run has no result yet"


async def test_the_story_of_such_a_file_says_so_and_that_of_a_later_one_does_not(tmp_path: Path) -> None:
    """Only the former waits for the address to be put back."""
    await _sent_to_the_old_one(tmp_path)

    async with running(tmp_path, named=NEW, began=EPOCH + 100, service=STUCK) as rig:
        rig.drop("stuck-too.jpg")
        await rig.until(lambda states: states.get("stuck-too.jpg") is ItemState.SUBMITTED)
        told = {
            name: (await rig.ask("logs", path=name))["versions"][0]["now"] for name in ("stuck.jpg", "stuck-too.jpg")
        }

        assert {"stuck.jpg": True, "stuck-too.jpg": False} == {name: OLD in str(now) for name, now in told.items()}


async def test_its_remedy_brings_the_results(tmp_path: Path) -> None:
    """Under the former address the batch is asked for at once, and the incident is over; bought once."""
    await _sent_to_the_old_one(tmp_path)
    async with running(tmp_path, named=NEW, began=EPOCH + 100, service=STUCK) as rig:
        await anyio.sleep(15)
        assert reported(rig)

    async with running(tmp_path, named=OLD, began=EPOCH + 200) as rig:
        await rig.settled(1)

        assert ({"stuck.jpg"}, [], [1]) == (rig.outputs(), reported(rig), rig.charged())


async def test_a_reload_does_not_lose_the_incident(tmp_path: Path) -> None:
    """It forgets all incidents; this one comes back as long as the batch is there."""
    await _sent_to_the_old_one(tmp_path)

    async with running(tmp_path, named=NEW, began=EPOCH + 100, service=STUCK) as rig:
        await anyio.sleep(15)
        await rig.engine.context.incidents.forget_all()
        await anyio.sleep(65)

        assert [1] == [len(reported(rig))]
