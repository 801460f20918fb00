"""Results go to the folders that they went to before, and nothing is bought while those cannot take them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from stage_rig import Rig, running

from runflowd import files
from runflowd.core.lifecycle import ItemState
from runflowd.files import ReadOnly

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.core.identity import Identity

pytestmark = pytest.mark.anyio


class Disks:
    """Which folders stand on a disk of their own, for whoever asks a folder who it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away: set[str] = set()
        self._identify = files.identify
        monkeypatch.setattr(files, "identify", self)

    def __call__(self, root: str, relative: str = "") -> Identity:
        """What stands at a path; a disk that is away leaves its mount point, which has no mark."""
        found = self._identify(root, relative)
        return replace(found, mark="", device=found.device + 1) if root in self.away else found


@pytest.fixture
def disks(monkeypatch: pytest.MonkeyPatch) -> Disks:
    """Disks that can be taken away."""
    return Disks(monkeypatch)


def codes(rig: Rig) -> set[str]:
    """What is wrong now."""
    return {trouble.code for trouble in rig.engine.context.incidents.snapshot()}


async def until_told(rig: Rig, *wanted: str) -> None:
    """Wait until just these incidents are open."""
    with anyio.fail_after(3600):
        while codes(rig) != set(wanted):
            await anyio.sleep(1)


async def test_nothing_is_bought_or_written_while_the_disk_of_the_output_is_away(tmp_path: Path, disks: Disks) -> None:
    """What a mount point takes is hidden once the disk is back; the work goes on by itself then (scenario 163)."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        disks.away.add(str(tmp_path / "out"))
        rig.drop("b.jpg")
        await until_told(rig, "OUTPUT_CHANGED")
        await anyio.sleep(600)
        meanwhile = (rig.outputs(), rig.charged())
        disks.away.clear()
        await rig.settled(2)

        assert ({"a.jpg"}, [1]) == meanwhile
        assert ({"a.jpg", "b.jpg"}, [1, 1], set()) == (rig.outputs(), rig.charged(), codes(rig))


async def test_a_result_that_is_bought_waits_for_the_disk_it_belongs_on(tmp_path: Path, disks: Disks) -> None:
    """The disk goes while the work is at the service (scenario 163)."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"runs": [{"kind": "slow", "seconds": 300, "count": None}]})
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.SUBMITTED)
        disks.away.add(str(tmp_path / "out"))
        await until_told(rig, "OUTPUT_CHANGED")
        meanwhile = rig.outputs()
        disks.away.clear()
        await rig.settled(1)

        assert (set(), {"a.jpg"}, [1]) == (meanwhile, rig.outputs(), rig.charged())


async def test_a_person_accepts_another_disk_for_the_output(tmp_path: Path, disks: Disks) -> None:
    """From then on it is the one that results go to (scenario 163)."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        disks.away.add(str(tmp_path / "out"))
        rig.drop("b.jpg")
        await until_told(rig, "OUTPUT_CHANGED")
        answer = await rig.ask("accept-folder", rules=["studio"])
        await rig.settled(2)

        assert ({"accepted": ["studio"]}, {"a.jpg", "b.jpg"}) == (answer, rig.outputs())


async def test_an_output_folder_that_somebody_removed_is_made_anew(tmp_path: Path) -> None:
    """Its disk is there, so nothing is hidden by that."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        shutil.rmtree(tmp_path / "out")
        rig.drop("b.jpg")
        await rig.settled(2)

        assert ({"b.jpg"}, set()) == (rig.outputs(), codes(rig))


async def test_a_folder_whose_disk_has_another_number_after_a_boot_is_known_by_its_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is asked after a restart of the machine."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
    identify = files.identify

    def after_a_boot(root: str, relative: str = "") -> Identity:
        found = identify(root, relative)
        return replace(found, device=found.device + 7, boot="another")

    monkeypatch.setattr(files, "identify", after_a_boot)
    async with running(tmp_path) as rig:
        rig.drop("b.jpg")
        await rig.settled(2)

        assert ({"a.jpg", "b.jpg"}, set()) == (rig.outputs(), codes(rig))


async def test_nothing_more_is_bought_while_the_output_takes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its disk has room by its own words: a quota, no number for a file left, a read-only mount (scenarios 55, 56)."""
    commit, refusing = files.Draft.__init__, True

    def refuse(draft: files.Draft, root: str, *given: object, **more: object) -> None:
        if refusing and root == str(tmp_path / "out"):
            raise ReadOnly("write", root)
        commit(draft, root, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(files.Draft, "__init__", refuse)
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await until_told(rig, "OUTPUT_UNUSABLE")
        rig.drop("b.jpg")
        await anyio.sleep(1800)
        meanwhile = rig.charged()
        refusing = False
        await rig.settled(2)

        assert ([1], [1, 1], {"a.jpg", "b.jpg"}) == (meanwhile, rig.charged(), rig.outputs())
