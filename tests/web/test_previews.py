"""Previews: made behind what happens, served by the hash of a content, and kept within their bounds."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from pictures import encoded, noise
from PIL import Image
from shown_files import done, written
from web_rig import config_over, web

from runflowd.store import Store
from runflowd.store.store import NotReadable
from runflowd.web.preview_store import SIDES, PreviewStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx
    from web_rig import Web

pytestmark = [pytest.mark.anyio, pytest.mark.waits]

PHOTO = encoded(noise(400, 300), "JPEG")
RESULT = encoded(noise(200, 100), "PNG")


@pytest.fixture
async def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Web]:
    """A listener that keeps previews in a folder of the test."""
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path / "cache"))
    async with web(tmp_path, config=replace(config_over(tmp_path), thumbnails=2**20)) as made:
        yield made


def address(data: bytes, side: int = 320) -> str:
    """Where the preview of a content is."""
    return f"/previews/{side}/{hashlib.sha256(data).hexdigest()}.webp"


async def until_drawn(folder: Path, *contents: bytes) -> None:
    """Wait for the larger previews of these contents."""
    store = PreviewStore(folder / "cache" / "previews")
    with anyio.fail_after(60):
        while not all(store.has(hashlib.sha256(each).hexdigest()) for each in contents):
            await anyio.sleep(0.05)


async def test_a_file_and_its_result_are_drawn_before_anybody_looks(rig: Web, tmp_path: Path) -> None:
    """As they are delivered; then they are served as what never changes."""
    await done(rig.context, "a.jpg", PHOTO, ("a.png", RESULT), at=rig.context.clock.wall())
    await until_drawn(tmp_path, PHOTO, RESULT)

    small, large = [await rig.http.get(address(PHOTO, side)) for side in SIDES]

    assert ("image/webp", "image/webp") == (small.headers["content-type"], large.headers["content-type"])
    assert "immutable" in small.headers["cache-control"]
    assert [(320, 240), (400, 300)] == [Image.open(io.BytesIO(each.content)).size for each in (small, large)]


async def test_an_older_one_is_drawn_when_it_is_looked_at(rig: Web) -> None:
    """And whoever asks at the same time gets the same."""
    await done(rig.context, "a.jpg", PHOTO, at=1e9)
    answers: list[httpx.Response] = []

    async def ask() -> None:
        answers.append(await rig.http.get(address(PHOTO)))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(ask)

    assert [200] * 3 == [each.status_code for each in answers]


async def test_what_cannot_be_drawn_has_an_icon(rig: Web) -> None:
    """A content that is not on record, one whose file is another now, one that is no picture, and whatever else."""
    item = await done(rig.context, "a.jpg", PHOTO, ("a.png", b"\x89PNG\r\n\x1a\n no picture"), at=1e9)
    (rule,) = rig.context.rules.values()
    written(rule.watch, "a.jpg", RESULT)
    asked = [
        address(b"nobody has this"), address(PHOTO), address(b"\x89PNG\r\n\x1a\n no picture"), address(PHOTO, 321),
        f"/previews/320/{'x' * 64}.webp", f"/previews/320/{item}.webp",
    ]  # fmt: skip

    answers = [await rig.http.get(each) for each in asked]

    assert [303] * len(asked) == [each.status_code for each in answers]
    assert {"kind-image.svg"} == {each.headers["location"].rpartition("/")[2] for each in answers}
    assert "no-store" == answers[0].headers["cache-control"]


async def test_a_file_whose_source_goes_with_its_delivery_is_drawn_before(rig: Web, tmp_path: Path) -> None:
    """While it is under way, since afterwards it may be deleted (`after: delete`)."""
    await done(rig.context, "a.jpg", PHOTO, at=1e9)
    await rig.context.store.write(
        lambda connection: connection.raw.execute("UPDATE item SET state = 'submitted'").rowcount
    )
    await until_drawn(tmp_path, PHOTO)


async def test_a_state_that_cannot_be_read_for_a_while_ends_nothing(
    rig: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that went away: previews are drawn once it is back."""
    asked: list[object] = []

    async def refused(_: Store, work: object) -> None:
        asked.append(work)
        raise NotReadable(rig.context.store.place, "could not be read")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "read", refused)
        await done(rig.context, "a.jpg", PHOTO, at=rig.context.clock.wall())
        with anyio.fail_after(60):
            while len(asked) < 2:
                await anyio.sleep(0.05)
    await until_drawn(tmp_path, PHOTO)


async def test_a_cache_that_cannot_be_used_is_said_once_and_costs_nothing_else(rig: Web, tmp_path: Path) -> None:
    """The screens go on without pictures."""
    (tmp_path / "cache").write_text("in the way")
    await done(rig.context, "a.jpg", PHOTO, at=1e9)

    answer, page = await rig.http.get(address(PHOTO)), await rig.http.get("/files")

    assert (303, 200) == (answer.status_code, page.status_code)
    assert "/previews/" not in page.text


def test_the_oldest_go_when_there_is_too_much(tmp_path: Path) -> None:
    """And what is left is below the bound, also after a restart."""
    for number in range(6):
        store = PreviewStore(tmp_path)
        store.put(f"{number}", {320: bytes(100), 1600: bytes(300)}, most=1500)
        for path in tmp_path.iterdir():
            if path.name.startswith(f"{number}-"):
                os.utime(path, (number, number))

    left = sorted({path.name[0] for path in tmp_path.iterdir()})
    assert "5" in left
    assert "0" not in left
    assert 1500 >= sum(path.stat().st_size for path in tmp_path.iterdir())


def test_a_preview_that_is_not_there_is_none(tmp_path: Path) -> None:
    """Not even the folder may be there."""
    store = PreviewStore(tmp_path / "none")

    assert (None, False) == (store.read("a", 320), store.has("a"))
