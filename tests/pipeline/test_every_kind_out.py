"""What was paid for is delivered, whatever kind of file it is, and however often its way is cut."""

from __future__ import annotations

import hashlib
from random import Random
from typing import TYPE_CHECKING

import pytest
import recordings
from stage_rig import running

from runflowd.core.lifecycle import ItemState
from runflowd.files import Draft
from runflowd.local.models.contract import EncodedFile, Result

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

pytestmark = pytest.mark.anyio

DOWNLOAD = "GET /storage/*"
CLIP = recordings.fast_mp4()
SONG = b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x00" * 500


def gives(rig: Rig, *outputs: tuple[str, bytes]) -> None:
    """Let the model answer every input with these files: the type that the service declares, and the bytes."""
    images = tuple(EncodedFile(f"result_{n}", mime, data, 0, 0) for n, (mime, data) in enumerate(outputs))
    object.__setattr__(rig.local.service.models["runflow/pass-through"], "process", lambda *_: Result(images))


def large(size: int) -> bytes:
    """A video of about this many bytes."""
    return recordings.fast_mp4(Random(7).randbytes(size))


@pytest.mark.parametrize(
    ("mime", "data", "name"),
    [
        ("video/mp4", CLIP, "a.mp4"),
        ("audio/mpeg", SONG, "a.mp3"),
        ("audio/x-wav", recordings.wav(), "a.wav"),
        ("model/gltf-binary", recordings.glb(), "a.glb"),
        ("application/zip", recordings.archive(), "a.zip"),
        ("application/pdf", recordings.pdf(), "a.pdf"),
        ("image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "a.svg"),
        ("application/json", b'{"caption": "a red shoe"}', "a.json"),
        ("text/plain", "ein roter Schuh, Größe 43".encode(), "a.txt"),
        ("application/x-unheard-of", b"\x00\x01\x02\x03" * 40, "a.bin"),
    ],
)
async def test_every_kind_of_result_is_delivered_under_its_extension(
    tmp_path: Path, mime: str, data: bytes, name: str
) -> None:
    """It is asked for once, its bytes are the service's, and the rule goes on."""
    async with running(tmp_path) as rig:
        gives(rig, (mime, data))
        rig.drop("a.jpg")
        await rig.settled(1)

        assert ({name}, {"a.jpg": ItemState.DONE}) == (rig.outputs(), await rig.states())
        assert data == (tmp_path / "out" / name).read_bytes()


async def test_a_mix_of_kinds_is_delivered_side_by_side(tmp_path: Path) -> None:
    """Each has its own extension, and the numbers tell them apart."""
    async with running(tmp_path) as rig:
        gives(rig, ("video/mp4", CLIP), ("audio/mpeg", SONG), ("text/plain", b"a red shoe"))
        rig.drop("a.jpg")
        await rig.settled(1)

        assert {"a.mp4", "a-2.mp3", "a-3.txt"} == rig.outputs()


async def test_one_output_that_is_none_holds_back_no_other(tmp_path: Path) -> None:
    """The page in its place is asked for anew, and said to be missing in the end."""
    async with running(tmp_path) as rig:
        gives(rig, ("video/mp4", CLIP), ("audio/mpeg", b"<html>502 Bad Gateway</html>"))
        rig.drop("a.jpg")
        await rig.settled(1)

        assert "a.mp4" in rig.outputs()
        assert {"a.jpg": ItemState.OUTCOME_UNKNOWN} == await rig.states()


async def test_the_same_content_gets_the_same_result_whatever_its_kind(tmp_path: Path) -> None:
    """A copy has the extension of what it is a copy of, where bytes alone tell too little."""
    async with running(tmp_path) as rig:
        gives(rig, ("model/obj", b"o shoe\nv 0 0 1\nv 0 1 0\nf 1 2 3\n"))
        rig.drop("a.jpg", 1)
        await rig.settled(1)
        rig.drop("b.jpg", 1)
        await rig.settled(2)

        assert ({"a.obj", "b.obj"}, [1]) == (rig.outputs(), rig.charged())


async def test_a_large_download_goes_on_where_it_was_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the rest is fetched, and nothing is written twice; it is bought once, and whole."""
    content, write, written = large(4_000_000), Draft.write_pending, list[int]()

    def counted(draft: Draft) -> None:
        written.append(draft.pending)
        write(draft)

    monkeypatch.setattr(Draft, "write_pending", counted)
    async with running(tmp_path) as rig:
        gives(rig, ("video/mp4", content))
        rig.switch(faults={"requests": [{"route": DOWNLOAD, "kind": "truncate", "count": 2}]})
        rig.drop("a.jpg")
        await rig.settled(1)

        assert hashlib.sha256(content).digest() == hashlib.sha256((tmp_path / "out/a.mp4").read_bytes()).digest()
        assert (2, len(content), [1]) == (rig.local.service.plan.struck, sum(written), rig.charged())
