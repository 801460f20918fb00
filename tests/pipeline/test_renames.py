"""A file that gets another name, and perhaps its old one back: one result, at its plain name, paid for once."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING

import anyio
import pytest
from stage_rig import Rig, picture, rule, running

from runflowd import files
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import OnDelete
from runflowd.store.outputs import outputs_of

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.store import Connection
    from runflowd.store.outputs import Output

pytestmark = pytest.mark.anyio

DONE = ItemState.DONE
COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Café.jpg") for form in ("NFC", "NFD"))

NAMES = {
    "another name": ["a.jpg", "b.jpg", "a.jpg"],
    "twice": ["a.jpg", "b.jpg", "c.jpg", "b.jpg"],
    "case": ["Photo.jpg", "photo.jpg", "Photo.jpg"],
    "case of the ending": ["a.JPG", "a.jpg", "a.JPG"],
    "Unicode form": [COMPOSED, DECOMPOSED, COMPOSED],
    "another folder": ["old/a.jpg", "new/a.jpg", "old/a.jpg"],
    "case of the folder": ["Shoes/a.jpg", "shoes/a.jpg", "Shoes/a.jpg"],
    "another ending": ["a.jpg", "a.jpeg", "a.jpg"],
}


def result_of(path: str) -> str:
    """The plain name of a result, which is a JPEG."""
    return f"{path.rpartition('.')[0]}.jpg"


def rename(rig: Rig, before: str, after: str) -> None:
    """As people do: the folder, if it is that which gets another name."""
    root = rig.folder / "in"
    folder, other = before.rpartition("/")[0], after.rpartition("/")[0]
    if folder != other:
        (root / folder).rename(root / other)
    else:
        (root / before).rename(root / after)


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES.keys())
async def test_the_result_follows_every_rename_and_its_undoing(tmp_path: Path, names: list[str]) -> None:
    """At its plain name, at no cost, with nothing left behind (scenario 140)."""
    async with running(tmp_path) as rig:
        rig.drop(names[0])
        await rig.settled(1)
        for before, after in pairwise(names):
            rename(rig, before, after)
            with anyio.fail_after(600):
                while rig.outputs() != {result_of(after)}:
                    await anyio.sleep(1)
        await anyio.sleep(60)

        assert ({result_of(names[-1])}, [1]) == (rig.outputs(), rig.charged())


@pytest.mark.parametrize("names", [("a.jpg", "b.jpg"), ("Photo.jpg", "photo.jpg")], ids=["name", "case"])
@pytest.mark.parametrize("seconds", [1.0, 11.0, 12.5, 13.0])
async def test_a_rename_that_is_undone_at_any_moment_leaves_one_result(
    tmp_path: Path, seconds: float, names: tuple[str, str]
) -> None:
    """Seen or not, delivered or not (scenario 140)."""
    first, second = names
    async with running(tmp_path) as rig:
        rig.drop(first)
        await rig.settled(1)
        rename(rig, first, second)
        await anyio.sleep(seconds)
        rename(rig, second, first)
        await anyio.sleep(120)

        assert ({first}, [1], DONE) == (rig.outputs(), rig.charged(), (await rig.states())[first])


async def test_a_renamed_file_and_a_copy_have_a_result_each(tmp_path: Path) -> None:
    """A copy is no rename, even under a name that differs in case only (scenario 140)."""
    async with running(tmp_path) as rig:
        rig.drop("Photo.jpg")
        await rig.settled(1)
        (tmp_path / "in/photo.jpg").write_bytes(picture("Photo.jpg"))
        await rig.settled(2)
        assert (2, {"Photo.jpg"}, [1]) == (
            len(rig.outputs()),
            rig.outputs() & {"Photo.jpg", "photo.jpg"},
            rig.charged(),
        )


@pytest.mark.parametrize("who", ["the rule", "a person"])
async def test_a_source_that_comes_back_has_its_result_unless_a_person_deleted_that(tmp_path: Path, who: str) -> None:
    """What `on_delete: remove` took away is brought again, at no cost (scenario 140)."""
    async with running(tmp_path, rule(tmp_path, on_delete=OnDelete.REMOVE)) as rig:
        source = rig.drop("a.jpg")
        rig.drop("b.jpg")
        await rig.settled(2)
        source.rename(tmp_path / "aside.jpg")
        if who == "a person":
            (tmp_path / "out/a.jpg").unlink()
        await anyio.sleep(60 if who == "a person" else 200)
        gone = rig.outputs()
        (tmp_path / "aside.jpg").rename(source)
        await anyio.sleep(60)
        assert ({"b.jpg"}, {"b.jpg"} if who == "a person" else {"a.jpg", "b.jpg"}) == (gone, rig.outputs())
        assert [1, 1] == rig.charged()


def test_where_two_spellings_are_one_file_it_is_respelled(tmp_path: Path) -> None:
    """As on a disk that does not tell case: a link to the same file stands for that here (scenario 140)."""
    (tmp_path / "Photo.jpg").write_bytes(b"result")
    (tmp_path / "photo.jpg").hardlink_to(tmp_path / "Photo.jpg")
    respelled = files.respell(str(tmp_path), "Photo.jpg", "photo.jpg")
    (tmp_path / "other.jpg").write_bytes(b"result")
    two = files.respell(str(tmp_path), "other.jpg", "photo.jpg")

    assert ((True, False), {"photo.jpg", "other.jpg"}) == ((respelled, two), {path.name for path in tmp_path.iterdir()})


async def test_a_result_that_moves_along_between_two_looks_is_fetched_by_who_shares_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file it was to be copied from has none any more: that is no result of nothing (found by chance)."""
    asked = list[int]()

    def moved_along(connection: Connection, item: int) -> list[Output]:
        asked.append(item)
        return [] if len(asked) == 1 else outputs_of(connection, item)

    async with running(tmp_path) as rig:
        rig.drop("a.jpg", 1)
        await rig.settled(1)
        monkeypatch.setattr("runflowd.pipeline.deliver.delivery.outputs_of", moved_along)
        rig.drop("b.jpg", 1)
        await rig.settled(2)

        assert ({"a.jpg", "b.jpg"}, [1], True) == (rig.outputs(), rig.charged(), bool(asked))
