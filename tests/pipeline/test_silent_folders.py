"""A watched folder whose server hangs: every call to it waits, on real threads and in real time."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from chosen_state import state_of
from hanging import hanging, quick, until
from local_service import BASE
from stage_rig import picture

from runflowd.api.client import Runflow
from runflowd.api.settings import SecretKey, Service
from runflowd.observability.incidents import Incidents
from runflowd.pipeline.context import Context, ServiceClient
from runflowd.pipeline.intake import Intake
from runflowd.store import open_store
from runflowd.system.clock import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from runflowd.core.model import Rule

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Real time: virtual time stands still while a thread works, and here one works for ever."""
    return "asyncio"


@asynccontextmanager
async def intake_over(folder: Path, *rules: Rule) -> AsyncIterator[tuple[Context, Intake]]:
    """Stage one over these rules, not running yet."""
    async with open_store(state_of(folder)) as store, Runflow(Service(BASE, api_key=SecretKey("key"))) as api:
        clock = Clock()
        remote = ServiceClient("test", api)
        context = Context(store, clock, Incidents(store, clock), remote, {each.name: each for each in rules})
        yield context, Intake(context)


async def taken(context: Context) -> set[str]:
    """The rules that have a sealed batch."""
    rows = await context.store.read(lambda connection: connection.all("open_batches", limit=10))
    return {row["rule"] for row in rows}


async def until_taken(context: Context, *rules: str) -> None:
    """Wait until these rules have sealed what lay in their folders."""
    with anyio.fail_after(60):
        while await taken(context) != set(rules):
            await anyio.sleep(0.02)


async def test_a_folder_that_does_not_answer_holds_up_its_own_rule_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, the others go on, and it goes on itself when its server does (scenario 36)."""
    monkeypatch.setattr("runflowd.pipeline.io_guard.RESPONSE_TIMEOUT", 0.5)
    share, disk = quick(tmp_path, "share"), quick(tmp_path, "disk")
    async with intake_over(tmp_path, share, disk) as (context, intake), anyio.create_task_group() as group:
        with hanging(share.watch, monkeypatch) as answer:
            group.start_soon(lambda: intake.run(watch=False))
            for each in (share, disk):
                (tmp_path / each.name / "in/a.jpg").write_bytes(picture(each.name))
            await until_taken(context, "disk")
            await until(lambda: any(trouble.code == "WATCH_TIMEOUT" for trouble in context.incidents.snapshot()))
            turned = context.heartbeats["intake"]
            await until(lambda: context.heartbeats["intake"] > turned)
            answer()
            await until_taken(context, "disk", "share")
        await until(lambda: not context.incidents.snapshot())
        intake.stop()


async def test_a_folder_that_does_not_answer_is_not_waited_for_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop would else last until the server is mended (scenarios 36, 74)."""
    share = quick(tmp_path, "share")
    async with intake_over(tmp_path, share) as (_, intake):
        with hanging(share.watch, monkeypatch), anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: intake.run(watch=False))
                await until(lambda: not intake.idle)
                intake.stop()


async def test_one_that_falls_silent_later_holds_up_nobody_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of it rests already, and cannot be read now (scenario 36)."""
    share, disk = quick(tmp_path, "share"), quick(tmp_path, "disk")
    async with intake_over(tmp_path, share, disk) as (context, intake), anyio.create_task_group() as group:
        (tmp_path / "share/in/a.jpg").write_bytes(picture("share"))
        group.start_soon(lambda: intake.run(watch=False))
        await until(lambda: intake.waiting > 0)
        with hanging(share.watch, monkeypatch):
            (tmp_path / "disk/in/a.jpg").write_bytes(picture("disk"))
            await until_taken(context, "disk")
        intake.stop()
