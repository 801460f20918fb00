"""Approval after a sample, and for a crowd: over real batches, real SQLite and a service that charges."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from stage_rig import picture, rule, running

from runflowd.core.approval import APPROVAL_NEEDED
from runflowd.core.approval_policy import USUAL_APPROVAL, ApprovalPolicy
from runflowd.core.incident_scope import ScopeKind
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import BatchLimits, Existing
from runflowd.core.money import Money, RuleMoney

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.observability.incidents import IncidentReport

pytestmark = pytest.mark.anyio

FORGOTTEN = {"route": "GET /v1/batches/*", "kind": "status", "status": 404, "count": 1000}


def asks(rig: Rig, approve: ApprovalPolicy, **says: Any) -> None:
    """What the rule `studio` says of approvals."""
    rig.engine.context.money = Money(rules={"studio": RuleMoney(approve=approve, **says)})


def edit(rig: Rig, **changes: Any) -> None:
    """Edit the rule as a reload does."""
    rig.engine.context.rules = {"studio": replace(rig.engine.context.rules["studio"], **changes)}
    rig.engine.context.stage_events.notify_all()


def reports(rig: Rig) -> list[IncidentReport]:
    """What is said to be held."""
    return [each for each in rig.engine.context.incidents.snapshot() if each.scope == ScopeKind.BUDGET.of("studio")]


async def approve(rig: Rig, **how: Any) -> None:
    """`runflowd approve studio`, and time for what follows of it."""
    await rig.ask("approve", rule="studio", **how)
    await anyio.sleep(60)


def drop(rig: Rig, *names: str) -> None:
    """Different files."""
    for name in names:
        rig.drop(f"{name}.jpg")


async def test_a_sample_is_bought_and_the_rest_waits_for_an_approval(tmp_path: Path) -> None:
    """So many more pass as are approved, then all, also those that come later; a restart forgets nothing."""
    async with running(tmp_path) as rig:
        asks(rig, ApprovalPolicy(first=2), price=Decimal("0.30"))
        drop(rig, *"abcdefg")
        await anyio.sleep(120)
        [report] = reports(rig)
        counts = [len(rig.charged())]
        await approve(rig, files=1)
        counts.append(len(rig.charged()))
    async with running(tmp_path) as rig:
        asks(rig, ApprovalPolicy(first=2))
        await anyio.sleep(120)
        counts.append(len(rig.charged()))
        await approve(rig, everything=True)
        drop(rig, "late")
        await anyio.sleep(120)

        assert ([2, 3, 3], 8, []) == (counts, len(rig.charged()), reports(rig))
    assert (APPROVAL_NEEDED, True) == (report.code, "`runflowd approve studio --files 5`" in report.remedy)
    assert report.message.startswith("rule studio: 5 files are held, about $1.50. rules.studio.approve.first is 2")


async def test_an_edited_prompt_asks_anew_and_an_edit_of_settle_does_not(tmp_path: Path) -> None:
    """What is approved is what is bought, not how it is noticed."""
    async with running(tmp_path) as rig:
        asks(rig, ApprovalPolicy(first=1))
        drop(rig, "a")
        await rig.settled(1)
        await approve(rig, everything=True)
        edit(rig, settle=3.0)
        drop(rig, "b", "c")
        await rig.settled(3)
        edit(rig, input={"image_url": "${file.url}", "prompt": "new"})
        drop(rig, "d", "e", "f")
        await anyio.sleep(120)

        assert (4, [APPROVAL_NEEDED]) == (len(rig.charged()), [each.code for each in reports(rig)])


async def test_a_sudden_drop_into_an_old_rule_waits_as_a_whole(tmp_path: Path) -> None:
    """Small batches do not slip out before all is seen; what is left once much was approved still waits."""
    small = rule(tmp_path, batch=BatchLimits(quiet=1, max_wait=5, max_items=2))
    async with running(tmp_path, small) as rig:
        asks(rig, ApprovalPolicy(above_files=5))
        drop(rig, "a", "b", "c", "d")
        await rig.settled(4)
        drop(rig, *(f"x/{number}" for number in range(9)))
        await anyio.sleep(120)
        counts = [len(rig.charged())]
        await approve(rig, files=6)
        counts.append(len(rig.charged()))
        await anyio.sleep(600)
        [report] = reports(rig)
        await rig.ask("approve", rule="studio")  # those that wait
        await rig.settled(13)
        drop(rig, "e")
        await rig.settled(14)

        assert ([4, 10], 14, []) == (counts, len(rig.charged()), reports(rig))
    assert "9 files were there at once" in report.message


async def test_what_may_cost_more_than_it_says_waits_until_it_is_taken_away(tmp_path: Path) -> None:
    """At the highest price to be expected; then ordinary drops pass again."""
    async with running(tmp_path) as rig:
        asks(rig, ApprovalPolicy(above_cost=Decimal(1)), price=Decimal("0.30"))
        drop(rig, "a", "b", "c")
        await rig.settled(3)
        drop(rig, "x/d", "x/e", "x/f", "x/g")
        await anyio.sleep(120)
        before = [len(rig.charged()), len(reports(rig))]
        for path in (tmp_path / "in/x").iterdir():
            path.unlink()
        await anyio.sleep(120)
        drop(rig, "h")
        await anyio.sleep(120)

        assert ([3, 1], 4, []) == (before, len(rig.charged()), reports(rig))


async def test_an_edit_of_approve_counts_within_seconds(tmp_path: Path) -> None:
    """As one of a limit does."""
    async with running(tmp_path) as rig:
        asks(rig, ApprovalPolicy(above_files=2))
        drop(rig, "a", "b", "c")
        await anyio.sleep(120)
        before = rig.charged()
        asks(rig, ApprovalPolicy(above_files=3))
        rig.engine.context.stage_events.intake.notify()
        await anyio.sleep(30)

        assert ([], 3, []) == (before, len(rig.charged()), reports(rig))


async def test_what_was_approved_is_tried_again_without_another_approval(tmp_path: Path) -> None:
    """A failed file that is touched, and one in doubt that somebody buys again; the sample stays as large as it is."""
    async with running(tmp_path) as rig:
        asks(rig, ApprovalPolicy(first=2))
        rig.switch(faults={"runs": [{"kind": "fail", "count": 1}]})
        drop(rig, "failed")
        await rig.settled(1)
        (tmp_path / "in/failed.jpg").touch()
        rig.switch(faults={"requests": [FORGOTTEN]})
        await rig.until(lambda states: states["failed.jpg"] is ItemState.OUTCOME_UNKNOWN)
        rig.switch(faults={})
        await rig.store.write(lambda connection: connection.raw.execute("UPDATE item SET failure_code = 'LOST'"))
        drop(rig, "b")
        await rig.settled(2)
        drop(rig, "c")
        await anyio.sleep(120)
        await rig.ask("retry", patterns=["failed.jpg"], buy_again=True)
        rig.engine.context.stage_events.intake.notify()
        await anyio.sleep(120)

        assert {"failed.jpg": ItemState.DONE, "b.jpg": ItemState.DONE, "c.jpg": ItemState.READY} == await rig.states()


async def test_a_new_rule_over_very_many_files_asks_before_it_touches_them(tmp_path: Path) -> None:
    """More than anybody may have meant, as when the wrong folder was named; a prompt that is edited meanwhile asks
    for what is left of them, what comes once they are bought is not counted (scenario 127).
    """
    (tmp_path / "in/x").mkdir(parents=True)
    for number in range(5):
        (tmp_path / f"in/x/{number}.jpg").write_bytes(picture(number))
    async with running(tmp_path) as rig:
        asks(rig, replace(USUAL_APPROVAL, above_files=3))
        await anyio.sleep(600)
        before, [report] = await rig.states(), reports(rig)
        await approve(rig, files=2)
        sample = len(rig.charged())
        edit(rig, input={"image_url": "${file.url}", "prompt": "new"})
        await anyio.sleep(120)
        edited = len(rig.charged())
        await approve(rig)
        drop(rig, *"abcdefghij")
        await rig.settled(15)

        assert ({}, 2, 2, 15, []) == (before, sample, edited, len(rig.charged()), reports(rig))
    assert "rule studio: 5 files are held, at a price that nobody knows. 5 files were there" in report.message


async def test_files_that_a_new_rule_finds_may_be_left_alone_instead(tmp_path: Path) -> None:
    """`existing: skip` is the other answer (scenario 127)."""
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg.part", ".e.jpg"):
        (tmp_path / "in" / name).write_bytes(picture(name))
    async with running(tmp_path) as rig:
        asks(rig, replace(USUAL_APPROVAL, above_files=2))
        await anyio.sleep(60)
        [asked] = reports(rig)
        edit(rig, existing=Existing.SKIP)
        await anyio.sleep(60)
        drop(rig, "new")
        await rig.until(lambda states: states.get("new.jpg") is ItemState.DONE)

        assert ([1], []) == (rig.charged(), reports(rig))
    assert asked.message.startswith("rule studio: 3 files are held")


async def test_a_new_rule_over_as_many_files_as_it_may_take_asks_nothing(tmp_path: Path) -> None:
    """Other files in the folder are not counted (scenario 127)."""
    (tmp_path / "in").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg.part", ".e.jpg"):
        (tmp_path / "in" / name).write_bytes(picture(name))
    async with running(tmp_path) as rig:
        asks(rig, replace(USUAL_APPROVAL, above_files=3))
        await rig.settled(3)

        assert ([1, 1, 1], []) == (rig.charged(), reports(rig))
