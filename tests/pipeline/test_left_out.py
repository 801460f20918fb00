"""What lies in a real share beside the photos: left out, counted, and told to nobody who did not ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from stage_rig import picture, rule, running

from runflowd import files
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import Stat
from runflowd.store.arrivals import set_aside

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.store import Connection

pytestmark = pytest.mark.anyio

PDF = b"%PDF-1.7\n" + b"x" * 64
DROPPINGS = {
    "#snapshot/2026-01-01/a.jpg": 1,
    "#recycle/old.jpg": 2,
    "shoes/@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg": 3,
    ".zfs/snapshot/daily/a.jpg": 4,
    "@Recycle/a.jpg": 5,
    "~snapshot/hourly.0/a.jpg": 6,
    "System Volume Information/a.jpg": 7,
    "$RECYCLE.BIN/S-1/a.jpg": 8,
    "__MACOSX/shoes/._a.jpg": 9,
    ".AppleDouble/a.jpg": 10,
    "shoes/a.xmp": 11,
    "shoes/b.XMP": 12,
    "shoes/a.aae": 13,
    "GX01.thm": 14,
    "IMG_1.CR2": 15,
    "IMG_1.dng": 16,
    ".DS_Store": 17,
    "Thumbs.db": 18,
    ".a.jpg.Xk2p9Q": 19,
}
"""Each would be bought if it were taken: the bytes are those of an image."""


def lay(folder: Path, files: dict[str, int]) -> None:
    for name, seed in files.items():
        path = folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(seed))


async def listed(rig: Rig, **more: Any) -> dict[str, str]:
    """What `list --state skipped` shows, by path."""
    return {each["path"]: each["why"] for each in (await rig.ask("list", state="skipped", **more))["items"]}


@pytest.mark.parametrize("include", [("**/*",), ("**/*.jpg", "**/*.xmp.jpg"), ("*",)])
async def test_what_lies_in_a_share_is_counted_and_not_bought(tmp_path: Path, include: tuple[str, ...]) -> None:
    """Snapshots, bins, sidecars and camera raw: no purchase, no note, one line for each kind (scenario 141)."""
    lay(tmp_path, DROPPINGS)
    async with running(tmp_path, rule(tmp_path, include=include)) as rig:
        rig.drop("shoes/a.jpg")
        await rig.settled(1)
        found = await listed(rig)

        assert ({"shoes/a.jpg"}, [1]) == (rig.outputs(), rig.charged())
        assert "2 files left out by default: settings kept beside a photo" == found["shoes/*.xmp"]
        assert "1 folder left out by default: Synology snapshots" == found["#snapshot"]
        assert "1 folder left out by default: Synology thumbnails" == found["shoes/@eaDir"]
        assert "1 file left out by default: camera raw, which no model takes" == found["*.cr2"]
        assert "1 folder left out by default: ZFS snapshots" == found[".zfs"]
        assert "2 files left out by default: hidden files and folders" == found[".*"]
        assert {"shoes/*.xmp": found["shoes/*.xmp"]} == await listed(rig, pattern="shoes/*.xmp")


async def test_what_was_left_out_and_is_gone_is_counted_no_more(tmp_path: Path) -> None:
    """Files, and folders with all that was counted in them (scenario 141)."""
    lay(tmp_path, {"a.xmp": 1, "b.xmp": 2, "shoes/red/a.xmp": 3})
    async with running(tmp_path) as rig:
        await anyio.sleep(15)
        before = await listed(rig)
        (tmp_path / "in/a.xmp").unlink()
        (tmp_path / "in/shoes/red/a.xmp").unlink()
        (tmp_path / "in/shoes/red").rmdir()
        (tmp_path / "in/shoes").rmdir()
        await anyio.sleep(30)

        assert {"*.xmp", "shoes/red/*.xmp"} == set(before)
        assert {"*.xmp": "1 file left out by default: settings kept beside a photo"} == await listed(rig)


async def test_a_folder_that_a_pattern_spells_out_is_taken(tmp_path: Path) -> None:
    """Whoever writes `#snapshot` means it, and nothing that lies beside (scenario 141)."""
    lay(tmp_path, DROPPINGS)
    async with running(tmp_path, rule(tmp_path, include=("**/*.jpg", r"\#snapshot/**/*.jpg"))) as rig:
        await rig.settled(1)

        assert {"#snapshot/2026-01-01/a.jpg"} == rig.outputs()


async def test_a_hundred_thousand_droppings_are_a_few_rows(tmp_path: Path) -> None:
    """A row a folder and kind, not a row a file (scenario 141)."""
    for folder in range(300):
        lay(tmp_path, {f"{folder}/{number}.xmp": 1 for number in range(10)})
    async with running(tmp_path) as rig:
        await anyio.sleep(15)
        rows = await rig.store.read(lambda connection: connection.raw.execute("SELECT * FROM left_out").fetchall())

        assert (300, []) == (len(rows), await rig.items())
        assert {"**/*.xmp": "3,000 files left out by default: settings kept beside a photo"} == await listed(rig)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("prices.pdf", PDF, "this is a PDF document; the rule's model takes images"),
        ("notes.txt", b"hello", "this is text; the rule's model takes images"),
        ("README", b"hello", "this is text; the rule's model takes images"),
        ("empty.txt", b"", "the file is empty (0 bytes)"),
    ],
)
async def test_what_no_model_takes_is_left_out_quietly(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    """A document beside photos is nobody's failure, and gets no note (scenario 141)."""
    async with running(tmp_path) as rig:
        (tmp_path / "in" / name).write_bytes(content)
        rig.drop("a.jpg")
        await rig.settled(2)

        assert {"a.jpg"} == rig.outputs()
        assert {name: why} == await listed(rig)


async def test_a_large_video_is_left_out_quietly(tmp_path: Path) -> None:
    """Too large is said of what would have been sent (scenario 141)."""
    async with running(tmp_path) as rig:
        with (tmp_path / "in/clip.mov").open("wb") as file:
            file.write(b"\x00\x00\x00\x14ftypqt  ")
            file.truncate(60_000_000)
        await rig.settled(1)

        assert ({"clip.mov": ItemState.SKIPPED}, set()) == (await rig.states(), rig.outputs())


@pytest.mark.parametrize(("name", "include"), [("prices.pdf", ("*.pdf",)), ("a.jpg", ("**/*",)), ("a.dng", ("*.dng",))])
async def test_what_a_name_or_a_pattern_promises_fails_with_a_note(
    tmp_path: Path, name: str, include: tuple[str, ...]
) -> None:
    """Its owner asked for a result (scenario 141)."""
    async with running(tmp_path, rule(tmp_path, include=include)) as rig:
        (tmp_path / "in" / name).write_bytes(PDF)
        await rig.settled(1)

        assert ({name: ItemState.FAILED}, {f"{name}.failed.txt"}) == (await rig.states(), rig.outputs())


async def test_an_image_of_any_name_is_taken(tmp_path: Path) -> None:
    """What a file is, its bytes say (scenario 141)."""
    async with running(tmp_path) as rig:
        rig.drop("scan0001")
        rig.drop("a.dat")
        await rig.settled(2)

        assert {"scan0001.jpg", "a.jpg"} == rig.outputs()


async def test_failures_of_an_earlier_version_are_left_out_with_their_notes(tmp_path: Path) -> None:
    """What failed as no image before it was left out by default is cleared up (scenario 141)."""
    async with running(tmp_path) as rig:
        await anyio.sleep(15)
        for name in ("prices.pdf", "a.xmp"):
            (tmp_path / "in" / name).write_bytes(PDF)
            (tmp_path / "out").mkdir(exist_ok=True)

        def failed_before(connection: Connection) -> None:
            for name in ("prices.pdf", "a.xmp"):
                stat = Stat(-1, 0, 0)  # as the migration leaves them
                set_aside(connection, "studio", name, stat, ItemState.FAILED, "NOT_AN_IMAGE", "no", 1.0)
                connection.raw.execute("UPDATE item SET note_state = 'written'")
                files.write_note(str(tmp_path / "out"), f"{name}.failed.txt", "what was said of it")

        await rig.store.write(failed_before)
        await anyio.sleep(60)

        assert ({"prices.pdf": ItemState.SKIPPED}, set()) == (await rig.states(), rig.outputs())
        assert {"prices.pdf", "*.xmp"} == set(await listed(rig))
