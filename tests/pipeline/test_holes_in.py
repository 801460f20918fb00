"""Files of full size that are not written yet: holes, and what downloaders keep beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from pictures import encoded, noise
from stage_rig import picture, running

from runflowd.core.lifecycle import ItemState
from runflowd.core.media.image_bytes import BLOCK

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_a_photo_with_a_hole_waits_and_is_bought_once_when_it_is_filled(tmp_path: Path) -> None:
    """A segmented downloader writes out of order, and pauses."""
    data = encoded(noise(300, 300), "JPEG", quality=90)
    at = len(data) // 2 // BLOCK * BLOCK
    async with running(tmp_path) as rig:
        (tmp_path / "in/a.jpg").write_bytes(data[:at] + bytes(BLOCK) + data[at + BLOCK :])
        await anyio.sleep(45)
        assert [] == rig.charged()
        (tmp_path / "in/a.jpg").write_bytes(data)
        await rig.settled(1)

        assert ([1], data) == (rig.charged(), (tmp_path / "out/a.jpg").read_bytes())


async def test_a_photo_with_a_large_flat_area_is_bought_in_the_end(tmp_path: Path) -> None:
    """Zeros may be what is meant: a minute without change says so."""
    data = encoded(noise(300, 300), "JPEG", quality=90)
    at = len(data) // 2 // BLOCK * BLOCK
    async with running(tmp_path) as rig:
        (tmp_path / "in/a.jpg").write_bytes(data[:at] + bytes(BLOCK) + data[at + BLOCK :])
        took = await rig.until(lambda states: states.get("a.jpg") is ItemState.DONE)

        assert ([1], True) == (rig.charged(), 60 <= took < 300)


@pytest.mark.parametrize("suffix", [".aria2", ".part", ".crdownload"])
async def test_a_photo_waits_as_long_as_its_download_is_not_finished(tmp_path: Path, suffix: str) -> None:
    """However whole it looks: the downloader knows better."""
    async with running(tmp_path) as rig:
        control = tmp_path / f"in/a.jpg{suffix}"
        control.write_bytes(b"pieces")
        (tmp_path / "in/a.jpg").write_bytes(picture("a"))
        await anyio.sleep(300)
        assert [] == rig.charged()
        control.unlink()
        await rig.until(lambda states: states.get("a.jpg") is ItemState.DONE)

        assert [1] == rig.charged()
