"""Files of every kind that a rule accepts go the whole way; of the others nothing is bought."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
import recordings
from encoded_recordings import recording
from stage_rig import picture, rule, running

from runflowd.core.lifecycle import ItemState
from runflowd.core.media.kinds import MediaKind
from runflowd.decoder import Decoder, Installed

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

pytestmark = pytest.mark.anyio

KINDS = [
    ("clip.mp4", "video/mp4", MediaKind.VIDEO),
    ("clip.mov", "video/quicktime", MediaKind.VIDEO),
    ("clip.webm", "video/webm", MediaKind.VIDEO),
    ("clip.mkv", "video/x-matroska", MediaKind.VIDEO),
    ("song.mp3", "audio/mpeg", MediaKind.AUDIO),
    ("song.wav", "audio/wav", MediaKind.AUDIO),
    ("song.m4a", "audio/mp4", MediaKind.AUDIO),
    ("song.flac", "audio/flac", MediaKind.AUDIO),
    ("song.ogg", "audio/ogg", MediaKind.AUDIO),
    ("song.opus", "audio/opus", MediaKind.AUDIO),
    ("page.pdf", "application/pdf", MediaKind.DOCUMENT),
    ("shoe.glb", "model/gltf-binary", MediaKind.MODEL),
]
BYTES = recordings.MARKED | recordings.UNMARKED | recordings.ENDED | {"audio/flac": recording("flac")}


def uploads(rig: Rig) -> list[tuple[str, str]]:
    """Name and MIME type of each upload, from the service's own books."""
    rows = rig.local.service.storage.all("SELECT name, mime_type FROM assets WHERE source_type = 'upload'")
    return sorted((row["name"], row["mime_type"]) for row in rows)


async def left_out(rig: Rig) -> dict[str, str]:
    """What `list --state skipped` shows, by path."""
    return {each["path"]: each["why"] for each in (await rig.ask("list", state="skipped"))["items"]}


@pytest.mark.parametrize(("name", "mime", "kind"), KINDS, ids=[mime for _, mime, _ in KINDS])
async def test_each_kind_is_uploaded_bought_and_delivered(
    tmp_path: Path, name: str, mime: str, kind: MediaKind
) -> None:
    """Under its MIME type; a photo beside it is left out."""
    async with running(tmp_path, rule(tmp_path, accept=(kind,))) as rig:
        (tmp_path / "in" / name).write_bytes(BYTES[mime])
        rig.drop("a.jpg")
        await rig.settled(2)

        assert ([(name, mime)], {name}, [1]) == (uploads(rig), rig.outputs(), rig.charged())
        assert {"a.jpg"} == set(await left_out(rig))


async def test_a_file_under_the_name_of_another_kind_is_uploaded_with_its_own_extension(tmp_path: Path) -> None:
    """The name that it was dropped under still names its result."""
    async with running(tmp_path, rule(tmp_path, accept=(MediaKind.VIDEO,))) as rig:
        (tmp_path / "in/clip").write_bytes(recordings.mp4())
        await rig.settled(1)

        assert ([("clip.mp4", "video/mp4")], {"clip.mp4"}) == (uploads(rig), rig.outputs())


async def test_several_kinds_side_by_side(tmp_path: Path) -> None:
    """What is of none of them is left out, and nothing is written beside it."""
    async with running(tmp_path, rule(tmp_path, accept=(MediaKind.IMAGE, MediaKind.VIDEO))) as rig:
        rig.drop("a.jpg")
        (tmp_path / "in/b.mp4").write_bytes(recordings.mp4())
        (tmp_path / "in/c.wav").write_bytes(recordings.wav())
        await rig.settled(3)

        assert {"a.jpg", "b.mp4"} == rig.outputs()
        assert {"c.wav": "this is an audio or video file; the rule's model takes images and videos"} == await left_out(
            rig
        )


async def test_sound_under_a_rule_for_images_is_left_out(tmp_path: Path) -> None:
    """Which is what a rule takes that does not say otherwise."""
    async with running(tmp_path) as rig:
        (tmp_path / "in/a.wav").write_bytes(recordings.wav())
        await rig.settled(1)

        assert ({"a.wav": ItemState.SKIPPED}, set()) == (await rig.states(), rig.outputs())


async def test_a_growing_recording_waits(tmp_path: Path) -> None:
    """It stands still at every length for longer than `settle`, and is bought once, whole."""
    data = recordings.mp4()
    async with running(tmp_path, rule(tmp_path, accept=(MediaKind.VIDEO,))) as rig:
        for end in (100, 900, len(data) - 1):
            (tmp_path / "in/a.mp4").write_bytes(data[:end])
            await anyio.sleep(15)
            assert {} == await rig.states()
        (tmp_path / "in/a.mp4").write_bytes(data)
        await rig.settled(1)

        assert (data, [1]) == ((tmp_path / "out/a.mp4").read_bytes(), rig.charged())


async def test_half_a_recording_fails_as_half_an_image_does(tmp_path: Path) -> None:
    """It says what is missing, after the time in which an image would have failed."""
    async with running(tmp_path, rule(tmp_path, accept=(MediaKind.VIDEO,))) as rig:
        (tmp_path / "in/a.mp4").write_bytes(recordings.mp4()[:900])
        await rig.settled(1)
        found = (await rig.items())[0]

        assert (ItemState.FAILED, "INCOMPLETE", {"a.mp4.failed.txt"}) == (
            found.state,
            found.failure_code,
            rig.outputs(),
        )


async def test_a_recording_without_an_end_marker_waits_longer(tmp_path: Path) -> None:
    """Pauses beyond `settle` do not make a part of it a song."""
    data = recordings.UNMARKED["audio/mpeg"]
    async with running(tmp_path, rule(tmp_path, accept=(MediaKind.AUDIO,))) as rig:
        rig.engine.context.decoder = Decoder(Installed())
        for end in (800, 1200, len(data)):
            (tmp_path / "in/a.mp3").write_bytes(data[:end])
            await anyio.sleep(8)
            assert {} == await rig.states()
        await rig.settled(1)

        assert (data, [1]) == ((tmp_path / "out/a.mp3").read_bytes(), rig.charged())


async def test_what_is_named_like_a_recording_and_is_none_fails(tmp_path: Path) -> None:
    """Whoever dropped it wanted it taken, and is told."""
    async with running(tmp_path, rule(tmp_path, accept=(MediaKind.VIDEO,))) as rig:
        (tmp_path / "in/a.mp4").write_bytes(b"no video at all, " * 20)
        await rig.settled(1)

        assert [("NOT_ACCEPTED", "this is text")] == [(each.failure_code, each.failure) for each in await rig.items()]


async def test_an_edit_that_accepts_more_takes_what_was_left_out(tmp_path: Path) -> None:
    """And back again: what was left out before is looked at anew, and nothing is bought twice."""
    images = rule(tmp_path)
    async with running(tmp_path, images) as rig:
        (tmp_path / "in/a.mp4").write_bytes(recordings.mp4())
        await rig.settled(1)
        before = rig.outputs()
        rig.engine.context.rules = {images.name: replace(images, accept=(MediaKind.IMAGE, MediaKind.VIDEO))}
        await anyio.sleep(60)

        assert (set(), {"a.mp4"}, [1]) == (before, rig.outputs(), rig.charged())


async def test_rules_over_one_folder_take_each_its_own_kind(tmp_path: Path) -> None:
    """What one of them has read is not taken by another that does not accept it."""
    pictures = rule(tmp_path, name="pictures")
    sounds = rule(tmp_path, name="sounds", output=str(tmp_path / "sounds"), accept=(MediaKind.AUDIO,))
    async with running(tmp_path, pictures, sounds) as rig:
        (tmp_path / "in/a.bin").write_bytes(picture(1))
        (tmp_path / "in/b.bin").write_bytes(recordings.wav())
        await rig.settled(2)
        await anyio.sleep(30)

        assert ({"a.jpg"}, {"b.wav"}) == (
            rig.outputs(),
            {path.name for path in (tmp_path / "sounds").iterdir() if path.name[0] != "."},
        )
