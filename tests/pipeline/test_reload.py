"""Edits of the configuration, beside stages at work: taken soon with and without events, and never waiting."""

from __future__ import annotations

import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from stage_rig import Rig, running

from runflowd.app.reload import Reloading
from runflowd.config import load
from runflowd.core.lifecycle import ItemState
from runflowd.pipeline.context import MAX_IDLE
from runflowd.pipeline.wake_event import WakeEvent
from runflowd.store import Store
from runflowd.store.store import NotDurable
from runflowd.system.systemd import Notifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


def text(folder: Path, *names: str) -> str:
    """A configuration with these rules; JSON is YAML."""
    rules = {name: rule_in(folder, name) for name in names}
    return json.dumps({"service": "local", "rules": rules})


def rule_in(folder: Path, name: str) -> dict[str, str]:
    """A rule over folders of its own."""
    return {"watch": f"{folder}/{name}", "output": f"{folder}/{name}-out", "model": "runflow/pass-through"}


@asynccontextmanager
async def reloading_in(rig: Rig, source: Path, notifier: Notifier | None = None) -> AsyncIterator[Reloading]:
    """Reloading at work over what `source` holds now."""
    reloading = Reloading(rig.engine.context, source, load(source), notifier or Notifier({}))
    async with anyio.create_task_group() as group:
        group.start_soon(reloading.run)
        await anyio.sleep(5)
        yield reloading
        group.cancel_scope.cancel()


async def until_rules(reloading: Reloading, *names: str) -> float:
    """Wait for exactly these rules; the virtual seconds that took."""
    started = anyio.current_time()
    with anyio.fail_after(60):
        while {rule.name for rule in reloading.config.rules} != set(names):
            await anyio.sleep(0.1)
    return anyio.current_time() - started


def replace(place: Path, new: str) -> None:
    """As editors save."""
    draft = place.with_name(".draft")
    draft.write_text(new)
    draft.replace(place)


def behind_a_link(place: Path, new: str) -> None:
    """The file that a link leads to, in a folder that nobody watches: no event comes."""
    place.resolve().write_text(new)


def swap(place: Path, new: str) -> None:
    """As mounted secrets are exchanged: another folder behind the same link."""
    folder = place.resolve().parent.with_name("next")
    folder.mkdir()
    (folder / place.name).write_text(new)
    link = place.parent / "..next"
    link.symlink_to(folder)
    link.replace(place.parent / "..data")


@pytest.mark.parametrize("edit", [replace, behind_a_link, swap])
async def test_an_edit_counts_within_two_seconds(tmp_path: Path, edit: Callable[[Path, str], None]) -> None:
    """Whether or not an event tells of it (scenario 119)."""
    source = mounted(tmp_path, text(tmp_path, "one"))
    async with running(tmp_path) as rig, reloading_in(rig, source) as reloading:
        edit(source, text(tmp_path, "one", "two"))
        taken = await until_rules(reloading, "one", "two")

    assert taken <= 2


async def test_a_store_that_cannot_be_written_delays_an_edit_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a database that went away; who asks for a reload meanwhile is told."""
    source = tmp_path / "runflowd.yaml"
    source.write_text(text(tmp_path, "one"))
    async with running(tmp_path) as rig, reloading_in(rig, source) as reloading:

        async def refused(_: Store, work: object) -> None:
            raise NotDurable(rig.engine.context.store.place, "could not be written")

        with monkeypatch.context() as patch:
            patch.setattr(Store, "write", refused)
            with pytest.raises(NotDurable):
                await reloading.now()
            source.write_text("rules: 1")
            await anyio.sleep(10)
        await anyio.sleep(10)
        codes = [report.code for report in rig.engine.context.incidents.snapshot()]
        source.write_text(text(tmp_path, "one", "two"))
        await until_rules(reloading, "one", "two")

    assert ["CONFIG_REFUSED"] == codes


def mounted(folder: Path, first: str) -> Path:
    """A configuration behind two links, as a mounted one."""
    (folder / "kept").mkdir()
    (folder / "conf").mkdir()
    (folder / "kept" / "runflowd.yaml").write_text(first)
    (folder / "conf" / "..data").symlink_to(folder / "kept")
    source = folder / "conf" / "runflowd.yaml"
    source.symlink_to("..data/runflowd.yaml")
    return source


async def test_files_that_come_and_go_count_within_two_seconds(tmp_path: Path) -> None:
    """A folder of files is one configuration (scenario 119)."""
    source = tmp_path / "conf"
    source.mkdir()
    (source / "0.yaml").write_text(text(tmp_path, "one"))
    async with running(tmp_path) as rig, reloading_in(rig, source) as reloading:
        (source / "1.yaml").write_text(json.dumps({"rules": {"two": rule_in(tmp_path, "two")}}))
        added = await until_rules(reloading, "one", "two")
        (source / "1.yaml").unlink()
        removed = await until_rules(reloading, "one")

    assert (True, True) == (added <= 2, removed <= 2)


async def test_without_rules_nothing_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration of no rules costs a look now and then, no processor."""
    turns: list[float] = []
    async with running(tmp_path) as rig:
        wake_event = rig.engine.context.stage_events.intake
        await anyio.sleep(60)

        async def counted(seconds: float) -> bool:
            turns.append(seconds)
            assert len(turns) < 100, "it turns without a pause"
            return await WakeEvent.wait(wake_event, seconds)

        monkeypatch.setattr(wake_event, "wait", counted)
        rig.engine.context.rules = {}
        rig.engine.context.stage_events.notify_all()
        await anyio.sleep(600)

    assert {MAX_IDLE} == set(turns)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The receiving end of $NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.setblocking(False)
        yield receiver


@pytest.mark.parametrize(
    ("faults", "state"),
    [
        ({"requests": [{"route": "PUT /storage/*", "kind": "slow", "seconds": 60}]}, ItemState.QUEUED),
        ({"requests": [{"route": "POST /v1/models/*", "kind": "slow", "seconds": 60}]}, ItemState.QUEUED),
        ({"runs": [{"kind": "slow", "seconds": 60}]}, ItemState.SUBMITTED),
        ({"requests": [{"route": "GET /storage/*", "kind": "slow", "seconds": 60}]}, ItemState.DOWNLOADING),
    ],
)
async def test_a_reload_waits_for_no_work(
    tmp_path: Path, manager: socket.socket, faults: dict[str, object], state: ItemState
) -> None:
    """An upload, a purchase, a run or a download of a minute; the service manager hears all (scenario 128)."""
    source = tmp_path / "runflowd.yaml"
    source.write_text(text(tmp_path))
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
    async with running(tmp_path) as rig:
        rig.switch(faults=faults)
        rig.drop("a.jpg")
        await rig.until(lambda states: states == {"a.jpg": state})
        await anyio.sleep(10)
        reloading = Reloading(rig.engine.context, source, load(source), notifier)
        started = anyio.current_time()
        await reloading.now()
        taken = anyio.current_time() - started
        during = (await rig.states(), set(rig.engine.context.rules))
        await rig.settled(1)

        assert (({"a.jpg": state}, set()), True) == (during, taken < 1)
        assert ({"a.jpg"}, [1]) == (rig.outputs(), rig.charged())

    begun, _, moment = manager.recv(4096).decode().partition("\nMONOTONIC_USEC=")
    assert ("RELOADING=1", True, "READY=1") == (begun, moment.isdigit(), manager.recv(4096).decode())
