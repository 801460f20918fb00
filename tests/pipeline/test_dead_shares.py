"""A share whose server is dead holds up its own rule: a real one, which leaves every call waiting in the kernel.

The rule beside it delivers meanwhile, in each place where the dead one may be met, and the dead one goes on when its
server does. Real time and real threads; what is waited for are facts.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hanging import anyio_backend, impatient, quick, until  # noqa: F401  two fixtures
from local_service import InProcess
from silent_share import required
from stage_rig import PATIENT, Rig, picture, running

from runflowd.core.model import BatchLimits, OnDelete
from runflowd.files import Draft
from runflowd.pipeline.intake.reconcile import FolderScanner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx
    from silent_share import SilentShare

    from runflowd.core.model import Rule

pytestmark = pytest.mark.anyio

MANY = 16
"""Twice the places that there are for uploads."""


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[SilentShare]:
    """A share with a folder to watch and one for results."""
    with required(tmp_path / "mnt") as share:
        for name in ("in", "out"):
            (share.behind / name).mkdir()
        yield share


@pytest.fixture
def disk(tmp_path: Path) -> Rule:
    """The rule beside, on a disk that answers."""
    return quick(tmp_path, "disk")


def over(tmp_path: Path, share: SilentShare, *, watch: bool = False, output: bool = False, **changes: Any) -> Rule:
    """A rule that has its watched folder on the share, its output folder, or both."""
    rule = quick(tmp_path, "share")
    return replace(
        rule,
        watch=str(share.folder / "in") if watch else rule.watch,
        output=str(share.folder / "out") if output else rule.output,
        **changes,
    )


def drop(folder: Path, count: int = 1, start: int = 0) -> None:
    """Put pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        (folder / f"{number}.jpg").write_bytes(picture(f"{folder} {number}"))


def results(folder: Path) -> int:
    """How many results there are in a folder."""
    return len(list(folder.rglob("*.jpg")))


def told(rig: Rig) -> set[str]:
    """The codes of all open incidents."""
    return {trouble.code for trouble in rig.engine.context.incidents.snapshot()}


async def other_delivers(tmp_path: Path, count: int = 1) -> None:
    """The rule beside takes files now, and has their results."""
    before = results(tmp_path / "disk/out")
    drop(tmp_path / "disk/in", count, before)
    await until(lambda: results(tmp_path / "disk/out") == before + count)


@pytest.mark.parametrize("role", ["watch", "output"])
async def test_at_the_start(tmp_path: Path, mounted: SilentShare, disk: Rule, role: str) -> None:
    """What kind of file system it is, old drafts, marks of other daemons: all that is asked of it (scenario 136)."""
    rule = over(tmp_path, mounted, **{role: True})
    drop(mounted.behind / "in" if role == "watch" else tmp_path / "share/in")
    with mounted.silence():
        async with running(tmp_path, rule, disk, watch=True) as rig:
            await other_delivers(tmp_path)
            await until(lambda: bool(told(rig) & {"WATCH_TIMEOUT", "OUTPUT_TIMEOUT"}))
            turned = dict(rig.engine.context.heartbeats)
            await other_delivers(tmp_path)
            await until(lambda: all(rig.engine.context.heartbeats[stage] > turned[stage] for stage in turned))
            mounted.go_on()
            await until(lambda: results(mounted.behind / "out") + results(tmp_path / "share/out") == 1)
            await until(lambda: not told(rig))


async def test_in_the_middle_of_a_scan(
    tmp_path: Path, mounted: SilentShare, disk: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of its folders are known already (scenario 136)."""
    rule = over(tmp_path, mounted, watch=True)
    take, met = FolderScanner._take, threading.Event()

    async def first(self: FolderScanner, watched: Any, *rest: Any) -> None:
        if watched.rule is rule and not met.is_set():
            mounted.stop()
            met.set()
        await take(self, watched, *rest)

    monkeypatch.setattr(FolderScanner, "_take", first)
    for number in range(40):
        drop(mounted.behind / f"in/{number}")
    try:
        async with running(tmp_path, rule, disk) as rig:
            await until(met.is_set)
            await other_delivers(tmp_path)
            mounted.go_on()
            await until(lambda: results(tmp_path / "share/out") == 40)
            assert [1] * 41 == rig.charged()
    finally:
        mounted.go_on()


async def test_while_a_rule_is_worded_anew(tmp_path: Path, mounted: SilentShare, disk: Rule) -> None:
    """What folders override is read from the share, and by no transaction (scenario 136)."""
    slow = BatchLimits(quiet=3600.0, max_wait=3600.0)
    rule = over(tmp_path, mounted, watch=True, batch=slow, overridable=("prompt",), input=wish("before"))
    (mounted.behind / "in/_runflow.yaml").write_text("prompt: as the folder says\n")
    drop(mounted.behind / "in", 3)
    async with running(tmp_path, rule, disk) as rig:
        await rig_knows(rig, 3)
        with mounted.silence():
            edited = replace(rule, input=wish("after"), batch=disk.batch)
            rig.engine.context.rules = {"share": edited, "disk": disk}
            rig.engine.context.stage_events.notify_all()
            await until(lambda: "WATCH_TIMEOUT" in told(rig))
            await other_delivers(tmp_path)
        await until(lambda: results(tmp_path / "share/out") == 3)
        said = {str(item.input) for item in await rig.items() if item.rule == "share"}

        assert {str(wish("as the folder says"))} == said


def wish(prompt: str) -> dict[str, Any]:
    """An input with a prompt."""
    return {"image_url": "${file.url}", "prompt": prompt}


async def rig_knows(rig: Rig, count: int) -> None:
    """Wait until so many files of the share are on record."""
    known = 0
    while known != count:
        known = len([item for item in await rig.items() if item.rule == "share"])


async def test_in_the_middle_of_its_uploads(
    tmp_path: Path, mounted: SilentShare, disk: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hung reads keep neither places for uploads nor requests from the other rule (scenario 136)."""
    monkeypatch.setattr("runflowd.pipeline.dispatch.upload.READ_TIMEOUT", 0.5)
    rule = over(tmp_path, mounted, watch=True)
    begun = threading.Event()

    class Struck(InProcess):
        """The share dies when the first of its files is about to be sent."""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            answer = await super().handle_async_request(request)
            if request.url.path == "/v1/asset-uploads" and not begun.is_set():
                mounted.stop()
                begun.set()
            return answer

    drop(mounted.behind / "in", MANY)
    try:
        async with running(tmp_path, rule, disk, wire=Struck) as rig:
            await until(begun.is_set)
            await other_delivers(tmp_path, 3)
            assert 0 == results(tmp_path / "share/out")
            mounted.go_on()
            await until(lambda: results(tmp_path / "share/out") == MANY)
            assert [1] * (MANY + 3) == rig.charged()
    finally:
        mounted.go_on()


async def test_in_the_middle_of_its_deliveries(tmp_path: Path, mounted: SilentShare, disk: Rule) -> None:
    """What is bought stays so, and comes when the server does (scenario 136)."""
    rule = over(tmp_path, mounted, output=True)
    async with running(tmp_path, rule, disk) as rig:
        drop(tmp_path / "share/in")
        await until(lambda: results(mounted.behind / "out") == 1)
        with mounted.silence():
            drop(tmp_path / "share/in", 40, start=1)
            await until(lambda: "OUTPUT_TIMEOUT" in told(rig))
            await other_delivers(tmp_path, 3)
        await until(lambda: results(mounted.behind / "out") == 41)
        await until(lambda: not told(rig))

        assert [1] * 44 == rig.charged()


async def test_in_the_middle_of_its_downloads(
    tmp_path: Path, mounted: SilentShare, disk: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes that hang keep no places at the storage from the other rule (scenario 136)."""
    monkeypatch.setattr("runflowd.pipeline.deliver.result_downloader.WRITE_TIMEOUT", 0.5)
    monkeypatch.setattr("stage_rig.PATIENT", replace(PATIENT, transfers=2))
    monkeypatch.setattr("runflowd.pipeline.deliver.result_downloader.PIECE", 1)
    begun, write = threading.Event(), Draft.write_pending

    def hangs(draft: Draft) -> None:
        if draft.root.startswith(str(mounted.folder)) and not begun.is_set():
            mounted.stop()
            begun.set()
        write(draft)

    monkeypatch.setattr(Draft, "write_pending", hangs)
    try:
        async with running(tmp_path, over(tmp_path, mounted, output=True), disk) as rig:
            drop(tmp_path / "share/in", MANY)
            await until(begun.is_set)
            await other_delivers(tmp_path, 3)
            mounted.go_on()
            await until(lambda: results(mounted.behind / "out") == MANY)
            assert [1] * (MANY + 3) == rig.charged()
    finally:
        mounted.go_on()


async def test_while_results_of_deleted_inputs_are_removed(
    tmp_path: Path, mounted: SilentShare, disk: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule beside finds and delivers new files (scenario 136)."""
    monkeypatch.setattr("runflowd.pipeline.intake.removal.GRACE", 0.0)
    rule = over(tmp_path, mounted, output=True, on_delete=OnDelete.REMOVE)
    async with running(tmp_path, rule, disk) as rig:
        drop(tmp_path / "share/in", 2)
        await until(lambda: results(mounted.behind / "out") == 2)
        with mounted.silence():
            (tmp_path / "share/in/0.jpg").unlink()
            await until(lambda: "OUTPUT_TIMEOUT" in told(rig))
            await other_delivers(tmp_path)
        await until(lambda: results(mounted.behind / "out") == 1)


async def test_a_stop_waits_for_no_delivery_that_hangs(
    tmp_path: Path, mounted: SilentShare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time of grace it is given up as by a crash: nothing half done is visible (scenarios 74, 136)."""
    begun = threading.Event()
    write = Draft.write_pending

    def hangs(draft: Draft) -> None:
        if not begun.is_set():
            mounted.stop()
            begun.set()
        write(draft)

    monkeypatch.setattr(Draft, "write_pending", hangs)
    try:
        async with running(tmp_path, over(tmp_path, mounted, output=True)) as rig:
            drop(tmp_path / "share/in")
            await until(begun.is_set)
            rig.engine.detach()
    finally:
        mounted.go_on()

    assert 0 == results(mounted.behind / "out")
