"""A rule whose intake another host took over: what this one has reported of its folders ends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from stage_rig import running

from runflowd.core.fleet import intake_of
from runflowd.core.incident_scope import ScopeKind
from runflowd.observability.incidents import IncidentReport
from runflowd.store.hosts import Session, take_duty

if TYPE_CHECKING:
    from pathlib import Path

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
