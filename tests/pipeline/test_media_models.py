"""Photos and texts through the daemon and real models on this machine: video, sound, documents in the output folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from probing import sound, video
from stage_rig import picture, rule, running

from runflowd.core.media.kinds import MediaKind
from runflowd.demo.workspace import sample
from runflowd.local.weights import locate

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.core.model import Rule

pytestmark = pytest.mark.anyio


def clips(folder: Path) -> Rule:
    """A second of video from each photo."""
    wanted = {"start_image_url": "${file.url}", "duration": 1, "resolution": "480p"}
    return rule(folder, model="runflow/image-to-video", input=wanted)


async def test_a_photo_becomes_a_video_that_is_charged_by_the_second(tmp_path: Path) -> None:
    """It lies in the output folder under the name of the photo and plays (scenario 93)."""
    async with running(tmp_path, clips(tmp_path)) as rig:
        rig.drop("shoes/a.jpg")
        await rig.settled(1)
        (item,) = await rig.items()

    made = video((tmp_path / "out/shoes/a.mp4").read_bytes())
    assert ({"shoes/a.mp4"}, "0.112") == (rig.outputs(), str(item.cost))
    assert ("h264", 1.0, 25) == (made.codec, made.seconds, len(made.frames))


async def test_a_text_becomes_speech(tmp_path: Path) -> None:
    """Drop greeting.txt, get greeting.mp3, paid by how long it plays."""
    said = rule(tmp_path, model="runflow/text-to-speech", input={"text": "${file.text}"}, accept=(MediaKind.TEXT,))
    async with running(tmp_path, said) as rig:
        (tmp_path / "in/greeting.txt").write_text("Hello there, and welcome to the shop.", "utf-8")
        await rig.settled(1)
        (item,) = await rig.items()

    heard = sound((tmp_path / "out/greeting.mp3").read_bytes())
    assert {"greeting.mp3"} == rig.outputs()
    assert (True, True) == (heard.loudness() > 0.02, 1 < heard.seconds < 6)
    assert item.cost is not None
    assert abs(float(item.cost) - 0.0025 * heard.seconds) < 0.0005


async def test_one_photo_becomes_files_of_four_kinds(tmp_path: Path) -> None:
    """Each under the extension of its bytes, all of one purchase."""
    kit = rule(tmp_path, model="runflow/product-kit", input={"image_url": "${file.url}", "name": "${file.stem}"})
    async with running(tmp_path, kit, service={"weights": locate()}) as rig:
        (tmp_path / "in/mug.jpg").write_bytes((sample() / "photos/mug.jpg").read_bytes())
        await rig.settled(1)

        assert [1] == rig.charged()

    by_suffix = {name.rpartition(".")[2]: tmp_path / "out" / name for name in rig.outputs()}
    assert {"jpg", "png", "json", "mp3"} == set(by_suffix)
    assert "mug is mostly" in json.loads(by_suffix["json"].read_text("utf-8"))["text"]
    assert sound(by_suffix["mp3"].read_bytes()).loudness() > 0.02


async def test_two_photos_of_which_one_is_none_are_paid_once(tmp_path: Path) -> None:
    """The other fails with the model's words, uncharged."""
    async with running(tmp_path, clips(tmp_path)) as rig:
        rig.drop("a.jpg")
        (tmp_path / "in/b.jpg").write_bytes(picture("b").replace(b"\xff\xda", b"\xff\xdb", 1))
        await rig.settled(2)

        assert ([1], {"a.mp4", "b.jpg.failed.txt"}) == (rig.charged(), rig.outputs())
