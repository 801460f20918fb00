"""Previews are drawn in a process apart: whatever a file does there, the daemon gets a WebP or none."""

from __future__ import annotations

import io
import os
import struct
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from pictures import encoded, noise
from PIL import Image

from runflowd.decoder import installed, previewing
from runflowd.decoder.previewing import draw, draws

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.waits]

WIDE = encoded(noise(900, 300), "JPEG")


async def drawn(folder: Path, *files: tuple[str, bytes], sides: tuple[int, ...] = (32, 160)) -> list[tuple[bytes, ...]]:
    """What is drawn of files of these types."""
    opened = []
    for number, (mime, data) in enumerate(files):
        (folder / f"{number}").write_bytes(data)
        opened.append((os.open(folder / f"{number}", os.O_RDONLY), mime))
    try:
        return await draw(opened, sides)
    finally:
        for descriptor, _ in opened:
            os.close(descriptor)


def size(preview: bytes) -> tuple[int, int]:
    """Width and height of a WebP."""
    with Image.open(io.BytesIO(preview), formats=("webp",)) as image:
        return image.size


async def test_each_file_is_drawn_at_each_size_or_not_at_all(tmp_path: Path) -> None:
    """One that is no image, half of one, and one of enormous size take nothing from the others; none is enlarged."""
    bomb = encoded(noise(), "PNG")
    bomb = bomb[:16] + (60_000).to_bytes(4, "big") * 2 + bomb[24:]
    bad = [("image/png", b"<script>"), ("image/jpeg", WIDE[:3000]), ("image/png", bomb), ("video/mp4", b"no film")]

    found = await drawn(tmp_path, ("image/jpeg", WIDE), *bad, ("image/png", encoded(noise(20, 30), "PNG")))

    sizes = [tuple(map(size, each)) for each in found]
    assert [((32, 11), (160, 53)), (), (), (), (), ((20, 30), (20, 30))] == sizes


async def test_what_is_clear_stays_clear_and_what_lies_on_its_side_is_turned(tmp_path: Path) -> None:
    """By the alpha of a PNG, and by the orientation that a camera wrote (EXIF 2.32, tag 0x0112)."""
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(noise(90, 30), "JPEG", exif=exif)
    clear = encoded(Image.new("RGBA", (40, 40), (9, 9, 9, 0)), "PNG")

    (first, *_), (second, *_) = await drawn(tmp_path, ("image/png", clear), ("image/jpeg", turned))

    with Image.open(io.BytesIO(first)) as image:
        assert 0 == image.convert("RGBA").getpixel((5, 5))[3]  # type: ignore[index]
    assert (11, 32) == size(second)


@pytest.mark.parametrize("by", ["PyAV", "ffmpeg"])
async def test_a_video_is_drawn_by_one_of_its_frames(by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what is installed; PyAV where both are."""
    pytest.importorskip("av")
    from encoded_recordings import recording

    if by == "ffmpeg":
        if not installed().ffmpeg:
            pytest.skip("ffmpeg is not installed")
        monkeypatch.setattr(previewing, "installed", lambda: replace(installed(), av=""))
    ((small, _),) = await drawn(tmp_path, ("video/mp4", recording("mp4")))

    assert 32 == max(size(small))


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\x05",
        struct.pack("<I", 8) + b"<script>" + struct.pack("<I", 8) + b"<script>",
        struct.pack("<I", 4_000_000_000) + b"RIFF",
        struct.pack("<I", 0) * 7,
    ],
)
async def test_what_a_child_says_that_was_taken_over_is_no_preview(
    said: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may say anything: what is no WebP of bounded size is none."""
    script = tmp_path / "child"
    (tmp_path / "said").write_bytes(said)
    script.write_text(f"#!/bin/sh\ncat >/dev/null\ncat {tmp_path}/said\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))

    assert [(), ()] == await drawn(tmp_path, ("image/jpeg", WIDE), ("image/jpeg", WIDE))


async def test_a_child_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then there are no previews."""
    script = tmp_path / "child"
    script.write_text("#!/bin/sh\nexec sleep 600\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setattr(previewing, "MAX_ANSWER", 0.2)

    with anyio.fail_after(30):
        assert [()] == await drawn(tmp_path, ("image/jpeg", WIDE))


@pytest.mark.parametrize(("mime", "expected"), [("image/png", True), ("audio/mpeg", False), ("application/pdf", False)])
def test_what_can_be_drawn_is_known_before(mime: str, *, expected: bool) -> None:
    """So that nothing is asked for that there will never be."""
    assert expected is draws(mime)
