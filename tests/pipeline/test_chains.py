"""Several rules over one folder, and rules that take what others make, at work."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from stage_rig import picture, rule, running

from runflowd import files
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import After, AfterKind, Existing, OnDelete
from runflowd.files import scan

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.core.model import Rule

pytestmark = pytest.mark.anyio

DELETE = After(AfterKind.DELETE)


def one(folder: Path, **changes: Any) -> Rule:
    return rule(folder, name="one", output=str(folder / "one"), **changes)


def two(folder: Path, **changes: Any) -> Rule:
    """Another wish over the same folder."""
    return rule(folder, **{"name": "two", "output": str(folder / "two"), "select": "*", **changes})


def after(folder: Path, **changes: Any) -> Rule:
    """The rule that takes what the first one makes."""
    usual = {"name": "next", "watch": str(folder / "one"), "output": str(folder / "next"), "select": "*"}
    return rule(folder, **{**usual, **changes})


def there(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


async def rested(rig: Rig, count: int, seconds: float = 600.0) -> None:
    """Wait until so many items are done, and nothing is on its way."""
    with anyio.fail_after(seconds):
        while [item.state for item in await rig.items()].count(ItemState.DONE) < count:
            await anyio.sleep(1)
    await anyio.sleep(30)


async def test_each_rule_over_a_folder_buys_and_delivers(tmp_path: Path) -> None:
    """Two wishes, each paid for once, each in a folder of its own (scenario 143)."""
    async with running(tmp_path, one(tmp_path), two(tmp_path)) as rig:
        rig.drop("x/a.jpg")
        await rested(rig, 2)

        assert ({"x/a.jpg"}, {"x/a.jpg"}, [2]) == (there(tmp_path / "one"), there(tmp_path / "two"), rig.charged())


async def test_disjoint_patterns_share_a_folder(tmp_path: Path) -> None:
    """The usual case: each file is one rule's (scenario 143)."""
    rules = (one(tmp_path, include=("*_front.jpg",)), two(tmp_path, include=("*_back.jpg",)))
    async with running(tmp_path, *rules) as rig:
        rig.drop("a_front.jpg")
        rig.drop("a_back.jpg")
        await rested(rig, 2)

        assert ({"a_front.jpg"}, {"a_back.jpg"}) == (there(tmp_path / "one"), there(tmp_path / "two"))
        assert [1, 1] == rig.charged()


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Counter[str]:
    """How often each folder of the watched one was listed, and each file in it hashed, by relative path."""
    counted: Counter[str] = Counter()
    list_folder, sha256 = scan._scan, files.FileSource.sha256

    def listed(root: str, relative: str, on_progress: Any) -> Any:
        if root == str(tmp_path / "in"):
            counted[f"{relative}/"] += 1
        return list_folder(root, relative, on_progress)

    def hashed(source: files.FileSource, *expected: Any) -> str:
        if source.path.startswith(f"{tmp_path}/in/"):
            counted[source.path.removeprefix(f"{tmp_path}/in/")] += 1
        return sha256(source, *expected)

    monkeypatch.setattr(scan, "_scan", listed)
    monkeypatch.setattr(files.FileSource, "sha256", hashed)
    return counted


async def test_one_scan_one_hash_and_one_upload_serve_all(tmp_path: Path, work: Counter[str]) -> None:
    """However many rules watch a folder, its disk is asked once (scenario 143)."""
    rules = [
        one(tmp_path),
        two(tmp_path),
        two(tmp_path, name="three", output=str(tmp_path / "three"), include=("*.jpg",)),
    ]
    async with running(tmp_path, *rules) as rig:
        await anyio.sleep(30)
        for number in range(20):
            rig.drop(f"x/{number}.jpg")
        work.clear()
        await rested(rig, 60)
        uploads = len(rig.local.service.storage.all("SELECT 1 FROM assets WHERE source_type = 'upload'"))
        hashes = {path: times for path, times in work.items() if not path.endswith("/")}
        before = work["x/"]
        await anyio.sleep(100)
        rescans = work["x/"] - before

    assert ({f"x/{number}.jpg": 1 for number in range(20)}, 20) == (hashes, uploads)
    assert 8 <= rescans <= 11  # one for each interval of ten seconds


async def test_removal_and_rename_are_each_rules_own(tmp_path: Path) -> None:
    """A rename takes both results along; a deletion counts for the rule that asked for it (scenario 143)."""
    async with running(tmp_path, one(tmp_path, on_delete=OnDelete.REMOVE), two(tmp_path)) as rig:
        rig.drop("a.jpg").rename(tmp_path / "in/b.jpg")
        await rested(rig, 2)
        (tmp_path / "in/b.jpg").rename(tmp_path / "in/c.jpg")
        await rested(rig, 4)
        moved = there(tmp_path / "one"), there(tmp_path / "two"), rig.charged()
        (tmp_path / "in/c.jpg").unlink()
        rig.drop("other.jpg")
        await anyio.sleep(300)

        assert ({"c.jpg"}, {"c.jpg"}, [2]) == moved
        assert ({"other.jpg"}, {"c.jpg", "other.jpg"}) == (there(tmp_path / "one"), there(tmp_path / "two"))


@pytest.mark.parametrize("kind", [AfterKind.DELETE, AfterKind.MOVE])
async def test_a_source_goes_when_every_rule_is_done_with_it(tmp_path: Path, kind: AfterKind) -> None:
    """And not before: what the second still needs stays (scenario 143)."""
    gone = After(kind, str(tmp_path / "done") if kind is AfterKind.MOVE else "")
    rules = (one(tmp_path, after=gone), two(tmp_path, after=gone), two(tmp_path, name="other", include=("*.png",)))
    async with running(tmp_path, *rules) as rig:
        await anyio.sleep(15)
        await rig.ask("pause", rules=["two"], everything=False)
        rig.drop("a.jpg")
        await rested(rig, 1)
        while_paused = there(tmp_path / "in")
        story = (await rig.ask("logs", path="a.jpg", absolute="", rule="one"))["versions"][0]["steps"][-1]["detail"]
        await rig.ask("resume", rules=["two"], everything=False)
        await rested(rig, 2)

        assert {"a.jpg"} == while_paused
        assert story.endswith("the source stays until rule two is done with it")
        assert (set(), {"a.jpg"}, {"a.jpg"}) == tuple(there(tmp_path / name) for name in ("in", "one", "two"))
        assert ({"a.jpg"} if kind is AfterKind.MOVE else set()) == there(tmp_path / "done")


async def test_rules_that_end_together_still_dispose_of_the_source(tmp_path: Path) -> None:
    """Neither takes the other for unfinished (scenario 143)."""
    async with running(tmp_path, one(tmp_path, after=DELETE), two(tmp_path, after=DELETE)) as rig:
        for number in range(30):
            rig.drop(f"{number}.jpg")
        await rested(rig, 60)

        assert (set(), 30, 30) == (there(tmp_path / "in"), len(there(tmp_path / "one")), len(there(tmp_path / "two")))


async def test_a_source_stays_for_a_rule_that_failed_until_it_succeeds(tmp_path: Path) -> None:
    """A failure is no success (scenario 143)."""
    async with running(tmp_path, one(tmp_path, after=DELETE), two(tmp_path, after=DELETE, select="nothing*")) as rig:
        rig.drop("a.jpg")
        await rested(rig, 1)

        assert {"a.jpg"} == there(tmp_path / "in")


async def test_what_one_rule_makes_another_takes(tmp_path: Path) -> None:
    """Through the whole chain by itself, drafts and notes left alone (scenario 143)."""
    last = after(tmp_path, name="last", watch=str(tmp_path / "next"), output=str(tmp_path / "last"))
    async with running(tmp_path, last, after(tmp_path), one(tmp_path)) as rig:
        rig.drop("x/a.jpg")
        (tmp_path / "in/b.jpg").write_text("no image")
        await rested(rig, 3)

        assert {"x/a.jpg", "b.jpg.failed.txt"} == there(tmp_path / "one")
        assert ({"x/a.jpg"}, {"x/a.jpg"}, [3]) == (there(tmp_path / "next"), there(tmp_path / "last"), rig.charged())
        assert {"one", "next", "last"} == {item.rule for item in await rig.items()}
        assert [] == await rig.store.read(lambda connection: connection.all("incidents"))


async def test_a_chain_follows_within_seconds_without_events(tmp_path: Path) -> None:
    """The hand-over is told, not found by the next rescan (scenario 143)."""
    (tmp_path / "one").mkdir()
    async with running(tmp_path, one(tmp_path), after(tmp_path, rescan=86_400.0)) as rig:
        await anyio.sleep(60)
        rig.drop("a.jpg")
        await rested(rig, 2, seconds=60)

        assert {"a.jpg"} == there(tmp_path / "next")


async def test_a_rule_may_take_a_part_of_what_another_makes(tmp_path: Path) -> None:
    """The folder below the other's output need not be there yet (scenario 143)."""
    async with running(tmp_path, one(tmp_path), after(tmp_path, watch=str(tmp_path / "one/shoes"))) as rig:
        rig.drop("shoes/a.jpg")
        rig.drop("bags/b.jpg")
        await rested(rig, 3)

        assert {"a.jpg"} == there(tmp_path / "next")


async def test_a_removed_source_takes_the_whole_chain_along(tmp_path: Path) -> None:
    """`on_delete: remove` at each step (scenario 143)."""
    rules = (one(tmp_path, on_delete=OnDelete.REMOVE), after(tmp_path, on_delete=OnDelete.REMOVE))
    async with running(tmp_path, *rules) as rig:
        path = rig.drop("a.jpg")
        rig.drop("b.jpg")
        await rested(rig, 4)
        path.unlink()
        await anyio.sleep(600)

        assert ({"b.jpg"}, {"b.jpg"}) == (there(tmp_path / "one"), there(tmp_path / "next"))


async def test_a_replaced_source_replaces_every_result(tmp_path: Path) -> None:
    """A new content goes the whole way (scenario 143)."""
    async with running(tmp_path, one(tmp_path), after(tmp_path)) as rig:
        rig.drop("a.jpg", seed=1)
        await rested(rig, 2)
        rig.drop("a.jpg", seed=2)
        await rested(rig, 4)

        assert picture(2) == (tmp_path / "next/a.jpg").read_bytes()
        assert {"a.jpg"} == there(tmp_path / "next")


async def test_existing_results_may_be_left_alone(tmp_path: Path) -> None:
    """`existing: skip` of the second rule, over what the first one has made (scenario 143)."""
    async with running(tmp_path, one(tmp_path)) as rig:
        rig.drop("old.jpg")
        await rested(rig, 1)
    async with running(tmp_path, one(tmp_path), after(tmp_path, existing=Existing.SKIP)) as rig:
        await anyio.sleep(30)
        rig.drop("new.jpg")
        await rested(rig, 3)

        assert {"new.jpg"} == there(tmp_path / "next")


async def test_a_chain_may_use_up_what_it_takes(tmp_path: Path) -> None:
    """`after: delete` of the second rule leaves the last result only, and nothing is made anew (scenario 143)."""
    async with running(tmp_path, one(tmp_path), after(tmp_path, after=DELETE)) as rig:
        rig.drop("a.jpg")
        await rested(rig, 2)
        await anyio.sleep(300)

        assert (set(), {"a.jpg"}, [2]) == (there(tmp_path / "one"), there(tmp_path / "next"), rig.charged())
