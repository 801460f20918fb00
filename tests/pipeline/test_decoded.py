"""What the bytes cannot tell is decided by a decoder: whether a file is sent, and whether a result is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
import recordings
from encoded_recordings import recording
from pictures import encoded, noise, odd_gif
from stage_rig import Rig, rule, running

from runflowd.core.lifecycle import ItemState
from runflowd.core.media.image_bytes import BLOCK
from runflowd.core.media.kinds import MediaKind
from runflowd.decoder import Decoder, Installed
from runflowd.local.models.contract import EncodedFile, Result

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def breaks_off() -> bytes:
    """A TIFF whose pixels are not all there, behind a directory that says where they are."""
    data = encoded(noise(300, 300), "TIFF")
    return data[: len(data) * 6 // 10]


def counts_too_much() -> bytes:
    """A TIFF that says of its pixels, uncompressed, that they are more bytes than they are."""
    data = encoded(noise(), "TIFF")
    count = data.index((279).to_bytes(2, "little") + b"\x04\0\x01\0\0\0") + 8
    return data[:count] + (10_000_000).to_bytes(4, "little") + data[count + 4 :]


def gives(rig: Rig, data: bytes) -> None:
    """Let the model answer every input with this GIF."""
    result = Result((EncodedFile("result_0", "image/gif", data, 0, 0),))
    object.__setattr__(rig.local.service.models["runflow/pass-through"], "process", lambda *_: result)


async def failure(rig: Rig) -> tuple[ItemState, str, str]:
    """How the only file has failed."""
    await rig.settled(1)
    found = (await rig.items())[0]
    return found.state, found.failure_code, found.failure


async def test_an_odd_image_that_decodes_is_bought_but_not_at_once(tmp_path: Path) -> None:
    """What is odd may be half written; ten seconds of rest say that it is meant so."""
    async with running(tmp_path) as rig:
        (tmp_path / "in/a.gif").write_bytes(odd_gif())
        took = await rig.until(bool)
        await rig.settled(1)

        assert ([1], {"a.gif": ItemState.DONE}, True) == (rig.charged(), await rig.states(), 10 <= took < 20)


async def test_a_tiff_that_breaks_off_is_not_bought_and_fails_with_the_decoder_s_words(tmp_path: Path) -> None:
    """After the time that an image which is still being written is given."""
    async with running(tmp_path) as rig:
        (tmp_path / "in/a.tif").write_bytes(breaks_off())
        state, code, why = await failure(rig)

        assert (ItemState.FAILED, "INCOMPLETE", []) == (state, code, rig.charged())
        assert ("behind the file's" in why, "Pillow says" in why) == (True, True)


async def test_a_tiff_that_counts_its_bytes_wrong_is_bought_after_a_minute(tmp_path: Path) -> None:
    """Every decoder opens it, by its width and height; but it looks as if its end were missing."""
    async with running(tmp_path) as rig:
        (tmp_path / "in/a.tif").write_bytes(counts_too_much())
        took = await rig.until(bool)
        await rig.settled(1)

        assert ([1], {"a.tif": ItemState.DONE}, True) == (rig.charged(), await rig.states(), 60 <= took < 130)


async def test_damage_is_waited_for_and_fails_in_the_decoder_s_words(tmp_path: Path) -> None:
    """It may be a copy whose bytes are still being put right."""
    data = odd_gif()
    broken = data[: data.index(b"\x07,") + 11] + b"\xff" + bytes([200]) * 40 + b";"
    async with running(tmp_path) as rig:
        (tmp_path / "in/a.gif").write_bytes(broken)
        await anyio.sleep(45)
        assert {} == await rig.states()
        state, code, why = await failure(rig)

        assert (ItemState.FAILED, "INCOMPLETE", True) == (state, code, "Pillow says" in why)


async def test_without_a_decoder_what_is_odd_waits_and_fails_naming_it(tmp_path: Path) -> None:
    """Nothing is bought on a guess, and who reads the note knows what to install."""
    async with running(tmp_path) as rig:
        rig.engine.context.decoder = Decoder(Installed())
        (tmp_path / "in/a.gif").write_bytes(odd_gif())
        state, _, why = await failure(rig)

        assert (ItemState.FAILED, []) == (state, rig.charged())
        assert "the GIF is damaged at byte 781; no decoder was asked: Pillow is not installed" == why


async def test_a_hole_in_an_odd_image_is_waited_for_first(tmp_path: Path) -> None:
    """Decoders pass over zeros where data belongs."""
    data = encoded(noise(300, 300), "GIF")
    data = data[:781] + b"\x07" + data[781:]
    at = len(data) // 2 // BLOCK * BLOCK
    data = data[:at] + bytes(BLOCK) + data[at + BLOCK :]
    async with running(tmp_path) as rig:
        (tmp_path / "in/a.gif").write_bytes(data)
        await anyio.sleep(50)

        assert [] == rig.charged()


async def test_a_recording_that_no_decoder_is_there_for_waits_and_fails(tmp_path: Path) -> None:
    """FFmpeg is asked for what no walk understands."""
    async with running(tmp_path, rule(tmp_path, accept=(MediaKind.VIDEO,))) as rig:
        rig.engine.context.decoder = Decoder(Installed())
        data = recordings.webm()
        (tmp_path / "in/a.webm").write_bytes(data.replace(b"\x18\x53\x80\x67", b"\x00\x53\x80\x67"))
        state, _, why = await failure(rig)

        assert (ItemState.FAILED, True) == (
            state,
            why.endswith("no decoder was asked: PyAV (or ffmpeg) is not installed"),
        )


async def test_a_paid_image_that_is_odd_is_delivered_if_it_decodes(tmp_path: Path) -> None:
    """It is fetched once: the service's encoder may be as odd as any."""
    async with running(tmp_path) as rig:
        gives(rig, data := odd_gif())
        rig.drop("a.jpg")
        await rig.settled(1)

        assert (data, [1]) == ((tmp_path / "out/a.gif").read_bytes(), rig.charged())


async def test_a_paid_image_that_does_not_decode_is_refused_in_the_decoder_s_words(tmp_path: Path) -> None:
    """After it was fetched as often as any result that is broken."""
    async with running(tmp_path) as rig:
        rig.engine.context.decoder = Decoder(Installed())
        gives(rig, odd_gif())
        rig.drop("a.jpg")
        state, _, why = await failure(rig)

        assert (ItemState.OUTCOME_UNKNOWN, True) == (state, "Pillow is not installed" in why)


async def test_a_result_in_doubt_at_the_end_of_the_daemon_is_left_to_the_next_start(tmp_path: Path) -> None:
    """No try is counted, and nobody is told of a trouble that is none."""
    async with running(tmp_path) as rig:
        rig.engine.context.decoder.stop()
        gives(rig, odd_gif())
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.DOWNLOADING)
        await anyio.sleep(30)
        found = (await rig.items())[0]

        assert (ItemState.DOWNLOADING, 0, ()) == (found.state, found.attempts, rig.engine.context.incidents.snapshot())


@pytest.mark.parametrize("share", [60, 90, 99])
async def test_a_part_of_a_recording_without_an_end_marker_is_not_bought(tmp_path: Path, share: int) -> None:
    """It may have come to rest when its copier died: FFmpeg reads the length that FLAC says, and what came of it."""
    data = recording("flac")
    async with running(tmp_path, rule(tmp_path, accept=(MediaKind.AUDIO,))) as rig:
        (tmp_path / "in/a.flac").write_bytes(data[: len(data) * share // 100])
        (tmp_path / "in/b.flac").write_bytes(data)
        await rig.settled(2)
        states = await rig.states()
        why = next(item.failure for item in await rig.items() if item.path == "a.flac")

        assert ({"a.flac": ItemState.FAILED, "b.flac": ItemState.DONE}, [1]) == (states, rig.charged())
        assert why.startswith("FFmpeg says: ")


async def test_a_recording_without_an_end_marker_is_bought_without_a_decoder_after_its_rest(tmp_path: Path) -> None:
    """Nobody needs to install one for what is usual."""
    async with running(tmp_path, rule(tmp_path, accept=(MediaKind.AUDIO,))) as rig:
        rig.engine.context.decoder = Decoder(Installed())
        (tmp_path / "in/b.flac").write_bytes(recording("flac"))
        took = await rig.until(bool)
        await rig.settled(1)

        assert ({"b.flac": ItemState.DONE}, True) == (await rig.states(), 10 <= took < 20)
