"""Files that no event announced: found by the rescan all the same, counted, and a reason to start the watcher anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from stage_rig import rule, running
from structlog.testing import capture_logs

from runflowd.pipeline.intake.reconcile import FolderScanner
from runflowd.watch.observer import Handler

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.pipeline.intake.folder_pages import Scanned
    from runflowd.pipeline.intake.watched_rule import WatchedRule

pytestmark = pytest.mark.anyio


@pytest.fixture
def _deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's events reach nobody, and nothing looks broken."""
    monkeypatch.setattr(Handler, "dispatch", lambda *_: None)


def hear(rig: Rig, *folders: str) -> None:
    """Let the intake stage hear of folders as from its watcher."""
    for folder in folders:
        rig.engine.context.hints.add_path(folder)
    rig.engine.context.stage_events.intake.notify()


@pytest.mark.usefixtures("_deaf")
async def test_files_that_no_event_announced_are_counted_once(tmp_path: Path) -> None:
    """One line for all of them, and a new watcher; what lay there before the start does not count."""
    with capture_logs() as lines:
        async with running(tmp_path, rule(tmp_path), watch=True) as rig:
            rig.drop("before.jpg")
            await rig.settled(1)
            assert rig.engine.intake.watcher is not None
            observer = rig.engine.intake.watcher._observer
            for number in range(5):
                rig.drop(f"sub/{number}.jpg")
            await rig.settled(6)
            await anyio.sleep(120)
            rebuilt = rig.engine.intake.watcher._observer is not observer

    told = [line["count"] for line in lines if line["action"] == "watch.missed"]
    assert ([5], 5, True) == (told, rig.engine.intake.missed, rebuilt)


async def test_a_watched_folder_that_goes_is_told_of_before_the_next_rescan(tmp_path: Path) -> None:
    """The watcher knows it within seconds, and people would drop files where nobody looks; back again, it is over."""
    async with running(tmp_path, rule(tmp_path, rescan=3600.0), watch=True) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        codes = []
        for old, new in (("in", "away"), ("away", "in")):
            (tmp_path / old).rename(tmp_path / new)
            await anyio.sleep(120)
            codes.append([report.code for report in rig.engine.context.incidents.snapshot()])

        assert [["WATCH_MISSING"], []] == codes


@pytest.mark.usefixtures("_deaf")
async def test_a_late_event_is_not_a_missed_one(tmp_path: Path) -> None:
    """The rescan may come first."""
    async with running(tmp_path, rule(tmp_path), watch=True) as rig:
        rig.drop("before.jpg")
        await rig.settled(1)
        rig.drop("late.jpg")
        await rig.until(lambda states: "late.jpg" in states)
        hear(rig, str(tmp_path / "in"))
        await anyio.sleep(120)

        assert 0 == rig.engine.intake.missed


@pytest.mark.usefixtures("_deaf")
async def test_what_is_known_to_be_lost_is_not_missed(tmp_path: Path) -> None:
    """An overflow was told and counted already; the rescan after it is its answer."""
    async with running(tmp_path, rule(tmp_path, rescan=3600.0), watch=True) as rig:
        rig.drop("before.jpg")
        await rig.settled(1)
        rig.drop("lost.jpg")
        rig.engine.context.hints.lose()
        await rig.settled(2)
        await anyio.sleep(120)

        assert 0 == rig.engine.intake.missed


@pytest.mark.usefixtures("_deaf")
@pytest.mark.parametrize("source", ["events", "stages"])
async def test_more_hints_than_are_kept_mean_a_rescan(tmp_path: Path, source: str) -> None:
    """It comes at once, finds what they pointed at, and nobody calls the watcher deaf for it (scenario 138)."""
    async with running(tmp_path, rule(tmp_path, rescan=3600.0), watch=True) as rig:
        rig.drop("before.jpg")
        await rig.settled(1)
        folders = ["lost", *(f"full/{number}" for number in range(10_000))]
        rig.drop("lost/a.jpg")
        if source == "events":
            for some in (folders[:1], folders[1:]):  # in this order
                hear(rig, *(f"{tmp_path}/in/{folder}" for folder in some))
        else:
            for folder in folders:
                rig.engine.context.hint("studio", f"{folder}/a.jpg")
        await rig.settled(2, seconds=300)
        await anyio.sleep(120)

        assert 0 == rig.engine.intake.missed
        assert not rig.engine.context.hints


@pytest.mark.usefixtures("_deaf")
async def test_hints_that_are_given_up_while_one_is_followed_end_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rescan takes their place, as when the root turns out to be another folder (scenarios 135, 138)."""
    scan = FolderScanner.scan

    async def given_up(self: FolderScanner, watched: WatchedRule, *given: Any, **more: Any) -> Scanned:
        if not watched.turn.rescanning:
            rig.engine.context.hints.lose()
        return await scan(self, watched, *given, **more)

    async with running(tmp_path, rule(tmp_path, rescan=3600.0), watch=True) as rig:
        rig.drop("before.jpg")
        await rig.settled(1)
        monkeypatch.setattr(FolderScanner, "scan", given_up)
        for name in ("a", "b", "c"):
            rig.drop(f"{name}/{name}.jpg")
        hear(rig, *(f"{tmp_path}/in/{name}" for name in ("a", "b", "c")))
        await rig.settled(4)
