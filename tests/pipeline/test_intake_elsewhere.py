"""A rule whose intake another host took over: what this one has reported of its folders ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING

import anyio
import pytest
from stage_rig import running

from runflowd.core.fleet import intake_of
from runflowd.core.incident_scope import ScopeKind
from runflowd.core.lifecycle import ItemState
from runflowd.core.money import Budget, Money, RuleMoney
from runflowd.observability.incidents import IncidentReport
from runflowd.store.duties import take_duty
from runflowd.store.hosts import Session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stage_rig import Rig

pytestmark = pytest.mark.anyio


async def test_the_incident_of_a_folder_ends_when_another_host_takes_its_rule_over(tmp_path: Path) -> None:
    """The other one sees the folder; that it is not mounted here is no trouble any more."""
    async with running(tmp_path) as rig:
        context = rig.engine.context
        await rig.store.write(lambda connection: take_duty(connection, intake_of("studio"), rig.store.owner))
        context.duties = replace(context.duties, intake={"studio": 1}, shared=True)
        context.stage_events.intake.notify()
        await anyio.sleep(60)
        (tmp_path / "in").rename(tmp_path / "away")
        await anyio.sleep(600)
        before = [each["code"] for each in (await rig.ask("status"))["incidents"]]
        context.duties = replace(context.duties, intake={})
        context.stage_events.intake.notify()
        await anyio.sleep(600)
        after = [each["code"] for each in (await rig.ask("status"))["incidents"]]

    assert (["WATCH_MISSING"], []) == (before, after)


@pytest.mark.parametrize(
    ("budget", "code"),
    [(Budget(per_day=Decimal("0.10")), "BUDGET_REACHED"), (Budget(per_file=Decimal("0.10")), "FILE_TOO_EXPENSIVE")],
    ids=["per day", "per file"],
)
async def test_what_was_said_of_held_files_ends_when_another_host_takes_their_rule_over(
    tmp_path: Path, budget: Budget, code: str
) -> None:
    """The other one says it, as long as it holds them; the files wait as before, and it is said again with the rule."""
    async with running(tmp_path) as rig:
        rig.engine.context.money = Money(UTC, Budget(), {"studio": RuleMoney(price=Decimal("0.30"), budget=budget)})
        rig.drop("a.jpg")
        said = [await codes_after(rig, intake) for intake in (None, {}, {"studio": 1})]
        states = await rig.states()

    assert ([[code], [], [code]], {"a.jpg": ItemState.READY}) == (said, states)


async def codes_after(rig: Rig, intake: Mapping[str, int] | None) -> list[str]:
    """What is open a while after this host has the intake of these rules."""
    context = rig.engine.context
    if intake:
        await rig.store.write(lambda connection: take_duty(connection, intake_of("studio"), rig.store.owner))
    context.duties = replace(context.duties, intake=intake)
    context.stage_events.intake.notify()
    await anyio.sleep(120)
    return [each["code"] for each in (await rig.ask("status"))["incidents"]]


@pytest.mark.parametrize(("alone", "begin"), [(True, "rule studio"), (False, "on host attic: rule studio")])
async def test_an_incident_of_a_folder_names_its_host_where_there_are_several(
    tmp_path: Path, *, alone: bool, begin: str
) -> None:
    """Whoever is to mend it has to know where."""
    async with running(tmp_path) as rig:
        rig.store.session = Session(rig.store.owner, "attic", alone=alone)
        gone = IncidentReport(ScopeKind.OUTPUT.of("studio"), "OUTPUT_TIMEOUT", "rule studio: no answer", "Mend it")
        await rig.engine.context.incidents.report(gone)
        (found,) = (await rig.ask("status"))["incidents"]

    assert f"{begin}: no answer" == found["message"]
