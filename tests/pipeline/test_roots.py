"""The watched folder is the one that it was, or nothing in it counts."""

from __future__ import annotations

import errno
import os
import shutil
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from stage_rig import Rig, picture, rule, running

from runflowd import files
from runflowd.control.refusal import CommandRefused
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import After, AfterKind, OnDelete
from runflowd.files.identity import MARK_FILE
from runflowd.pipeline.intake import folder_pages, roots
from runflowd.store.roots import roots_key
from runflowd.store.rule_edits import seen_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runflowd.core.model import Rule
    from runflowd.store import Connection

pytestmark = pytest.mark.anyio

DONE = ItemState.DONE
ATTRIBUTE = "user.runflowd.folder"


def removing(folder: Path, **more: Any) -> Rule:
    """A rule that removes the results of deleted files."""
    return rule(folder, on_delete=OnDelete.REMOVE, **more)


def codes(rig: Rig) -> set[str]:
    """What is wrong now."""
    return {trouble.code for trouble in rig.engine.context.incidents.snapshot()}


async def until_told(rig: Rig, *wanted: str) -> None:
    """Wait until just these incidents are open."""
    with anyio.fail_after(3600):
        while codes(rig) != set(wanted):
            await anyio.sleep(1)


def swap(folder: Path, *names: str) -> Callable[[], None]:
    """Put another folder with files of these names in the place of the watched one; give the way back."""
    root, aside = folder / "in", folder / "aside"
    root.rename(aside)
    root.mkdir()
    for name in names:
        (root / name).write_bytes(picture(f"stray {name}"))

    def back() -> None:
        shutil.rmtree(root)
        aside.rename(root)

    return back


async def present(rig: Rig) -> set[str]:
    """The files that are known to be there."""
    return {item.path for item in await rig.items() if item.current and item.present}


@pytest.mark.parametrize("names", [(), ("stray.jpg",), ("a.jpg",)], ids=["empty", "strange files", "same names"])
async def test_in_another_folder_nothing_counts_as_deleted_or_new(tmp_path: Path, names: tuple[str, ...]) -> None:
    """As a mount that vanished from a mount point with and without files of its own (scenario 135)."""
    async with running(tmp_path, removing(tmp_path)) as rig:
        rig.drop("a.jpg")
        rig.drop("deep/b.jpg")
        await rig.settled(2)
        back = swap(tmp_path, *names)
        await until_told(rig, "WATCH_CHANGED")
        await anyio.sleep(600)
        meanwhile = (rig.outputs(), await present(rig), rig.charged())
        back()
        await until_told(rig)
        rig.drop("c.jpg")
        await rig.settled(3)

        assert ({"a.jpg", "deep/b.jpg"}, {"a.jpg", "deep/b.jpg"}, [1, 1]) == meanwhile
        assert ({"a.jpg", "deep/b.jpg", "c.jpg"}, [1, 1, 1]) == (rig.outputs(), rig.charged())


async def test_a_folder_that_was_replaced_while_nobody_looked_is_not_the_old_one(tmp_path: Path) -> None:
    """As a share that is not mounted yet when the daemon starts (scenario 135)."""
    async with running(tmp_path, removing(tmp_path)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
    back = swap(tmp_path, "stray.jpg")
    async with running(tmp_path, removing(tmp_path)) as rig:
        await anyio.sleep(600)
        assert ({"WATCH_CHANGED"}, {"a.jpg"}, {"a.jpg"}) == (codes(rig), rig.outputs(), await present(rig))
        back()
        await until_told(rig)
        assert {"a.jpg": DONE} == await rig.states()


async def test_a_person_accepts_the_new_folder(tmp_path: Path) -> None:
    """From then on what is in it is new, and what is not is there no more; its result stays (scenario 135)."""
    async with running(tmp_path, removing(tmp_path)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        with pytest.raises(CommandRefused):
            await rig.ask("accept-folder", rules=["studio"])
        swap(tmp_path, "stray.jpg")
        await until_told(rig, "WATCH_CHANGED")
        answer = await rig.ask("accept-folder", rules=["studio"])
        await until_told(rig)
        await rig.until(lambda states: states.get("stray.jpg") is DONE)
        await anyio.sleep(200)

        assert {"accepted": ["studio"]} == answer
        assert ({"a.jpg", "stray.jpg"}, {"stray.jpg"}) == (rig.outputs(), await present(rig))


async def left_behind(rig: Rig, page: int = 1) -> int:
    """How many results stay without their files, asked in pages as the command does."""
    found, after = 0, 0
    while after is not None:
        answer = await rig.ask("left-behind", rule="studio", after=after, limit=page)
        found, after = found + answer["results"], answer["next"]
    return found


@pytest.mark.parametrize("names", [(), ("stray.jpg",), ("a.jpg",)], ids=["empty", "strange files", "one of them"])
async def test_no_result_is_removed_because_another_folder_is_accepted(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Not while the new folder is empty, and not once files are in it; how many stay is told (scenario 135)."""
    async with running(tmp_path, removing(tmp_path)) as rig:
        for name in ("a.jpg", "b.jpg", "deep/c.jpg"):
            rig.drop(name)
        await rig.settled(3)
        swap(tmp_path, *names)
        await until_told(rig, "WATCH_CHANGED")
        await rig.ask("accept-folder", rules=["studio"])
        told = await left_behind(rig)
        await until_told(rig)
        await anyio.sleep(300)
        rig.drop("new.jpg")
        await rig.until(lambda states: states.get("new.jpg") is DONE)
        await anyio.sleep(600)

        assert 3 - names.count("a.jpg") == told
        assert {"a.jpg", "b.jpg", "deep/c.jpg"} <= rig.outputs()


async def test_what_was_under_way_when_another_folder_was_accepted_stays_as_well(tmp_path: Path) -> None:
    """Its result comes later, and is paid for (scenario 135)."""
    async with running(tmp_path, removing(tmp_path)) as rig:
        rig.switch(faults={"runs": [{"kind": "slow", "seconds": 300}]})
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.SUBMITTED)
        swap(tmp_path, "stray.jpg")
        await until_told(rig, "WATCH_CHANGED")
        await rig.ask("accept-folder", rules=["studio"])
        await rig.settled(2)
        await anyio.sleep(600)

        assert {"a.jpg", "stray.jpg"} == rig.outputs()


async def test_a_file_that_comes_back_after_an_acceptance_is_deleted_like_any_other(tmp_path: Path) -> None:
    """It costs nothing, and from then on its result goes with it (scenario 135)."""
    async with running(tmp_path, removing(tmp_path)) as rig:
        path = rig.drop("a.jpg")
        await rig.settled(1)
        swap(tmp_path, "stray.jpg")
        await until_told(rig, "WATCH_CHANGED")
        await rig.ask("accept-folder", rules=["studio"])
        await rig.settled(2)
        shutil.copy2(tmp_path / "aside/a.jpg", path)
        await anyio.sleep(60)
        back = (await present(rig), rig.charged(), await left_behind(rig))
        path.unlink()
        await anyio.sleep(200)

        assert ({"a.jpg", "stray.jpg"}, [1, 1], 0) == back
        assert {"stray.jpg"} == rig.outputs()


async def test_only_the_folder_that_was_seen_is_accepted(tmp_path: Path) -> None:
    """A third one that came since is another question (scenario 135)."""
    async with running(tmp_path, removing(tmp_path)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        swap(tmp_path, "stray.jpg")
        await until_told(rig, "WATCH_CHANGED")
    async with running(tmp_path, removing(tmp_path)) as rig:
        (tmp_path / "in").rename(tmp_path / "second")
        (tmp_path / "in").mkdir()
        (tmp_path / "in/third.jpg").write_bytes(picture("third"))
        await rig.ask("accept-folder", rules=["studio"])
        await anyio.sleep(600)
        assert ({"WATCH_CHANGED"}, {"a.jpg": DONE}) == (codes(rig), await rig.states())


async def test_a_folder_that_is_replaced_while_it_is_read_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look who it is and the look what is in it, and back again before the next (scenario 135)."""
    async with running(tmp_path, removing(tmp_path)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        backs: list[Callable[[], None]] = []

        def read(walking: Any, count: int) -> Any:
            if not backs:
                backs.append(swap(tmp_path, "stray.jpg"))
            return islice(walking, count)

        monkeypatch.setattr(folder_pages, "islice", read)
        await until_told(rig, "WATCH_CHANGED")
        backs[0]()
        await until_told(rig)
        assert ({"a.jpg": DONE}, {"a.jpg"}) == (await rig.states(), await present(rig))


async def test_a_file_that_rested_is_not_taken_from_another_folder(tmp_path: Path) -> None:
    """Seen in one folder, read in another (scenario 135)."""
    async with running(tmp_path, rule(tmp_path, settle=30.0)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        swap(tmp_path)
        await until_told(rig, "WATCH_CHANGED")
        (tmp_path / "in/b.jpg").write_bytes(picture("b"))
        await anyio.sleep(600)
        assert {"a.jpg": DONE} == await rig.states()


async def test_a_folder_without_files_is_recognised_by_its_mark(tmp_path: Path) -> None:
    """All was moved away, as `after: move` does; a file at the bare mount point is not taken (scenario 135)."""
    moving = rule(tmp_path, after=After(AfterKind.MOVE, str(tmp_path / "archive")))
    async with running(tmp_path, moving) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        back = swap(tmp_path, "stray.jpg")
        await until_told(rig, "WATCH_CHANGED")
        await anyio.sleep(100)
        assert {"a.jpg": DONE} == await rig.states()
        back()
        await until_told(rig)


def no_attributes(*_: Any, **__: Any) -> None:
    """A file system without extended attributes."""
    raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))


async def test_without_attributes_a_hidden_file_is_the_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never sent, and a folder that holds nothing else is empty (scenario 135)."""
    monkeypatch.setattr(os, "setxattr", no_attributes)
    monkeypatch.setattr(os, "getxattr", no_attributes)
    async with running(tmp_path, removing(tmp_path, exclude=("!.*",))) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        back = swap(tmp_path, "stray.jpg")
        await until_told(rig, "WATCH_CHANGED")
        back()
        await until_told(rig)
        (tmp_path / "in/a.jpg").unlink()
        await anyio.sleep(600)

        assert ({"a.jpg": DONE}, {"a.jpg"}) == (await rig.states(), rig.outputs())
        assert [MARK_FILE] == [path.name for path in (tmp_path / "in").iterdir()]


async def test_a_read_only_folder_is_recognised_by_its_place_and_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be written there; after a boot its files vouch for it (scenario 135)."""
    monkeypatch.setattr(files, "mark_folder", lambda *_, **__: "")
    for boot in ("first", "second"):
        monkeypatch.setattr("runflowd.files.identity._boot", partial(str, boot))
        async with running(tmp_path, removing(tmp_path)) as rig:
            rig.drop("a.jpg")
            rig.drop("b.jpg")
            await rig.settled(2)
            back = swap(tmp_path, "stray.jpg")
            await until_told(rig, "WATCH_CHANGED")
            back()
            await until_told(rig)
            assert {"a.jpg": DONE, "b.jpg": DONE} == await rig.states()


async def test_a_mark_that_somebody_deleted_is_set_again(tmp_path: Path) -> None:
    """The files that are there vouch for the folder; it is the same one (scenario 135)."""
    async with running(tmp_path, removing(tmp_path)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        os.removexattr(tmp_path / "in", ATTRIBUTE)
        rig.drop("b.jpg")
        await rig.settled(2)
        await anyio.sleep(60)
        assert (set(), 32) == (codes(rig), len(os.getxattr(tmp_path / "in", ATTRIBUTE)))


async def test_a_folder_restored_from_a_backup_is_the_old_one(tmp_path: Path) -> None:
    """With its attributes, or by its files; not when most of the files are others (scenario 135)."""
    async with running(tmp_path, removing(tmp_path)) as rig:
        for name in ("a.jpg", "b.jpg", "c.jpg"):
            rig.drop(name)
        await rig.settled(3)
        for number, kept in enumerate((3, 2)):
            (tmp_path / "in").rename(old := tmp_path / f"lost{number}")
            (tmp_path / "in").mkdir()
            for path in sorted(old.iterdir())[:kept]:
                shutil.copy2(path, tmp_path / "in" / path.name)
            await anyio.sleep(60)
        assert (set(), {"a.jpg", "b.jpg"}) == (codes(rig), await present(rig))
        (tmp_path / "in").rename(tmp_path / "lost")
        (tmp_path / "in").mkdir()
        rig.drop("other.jpg")
        await until_told(rig, "WATCH_CHANGED")


def forget_roots(connection: Connection) -> None:
    """As a state file of a version that knew no marks."""
    connection.raw.execute("DELETE FROM kv WHERE key LIKE 'root:%'")


async def test_a_state_file_of_an_earlier_version_adopts_the_folder_that_has_its_files(tmp_path: Path) -> None:
    """Another one it does not (scenario 135)."""
    async with running(tmp_path, removing(tmp_path)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        await rig.store.write(forget_roots)
    os.removexattr(tmp_path / "in", ATTRIBUTE)
    back = swap(tmp_path, "stray.jpg")
    async with running(tmp_path, removing(tmp_path)) as rig:
        await until_told(rig, "WATCH_CHANGED")
        back()
        await until_told(rig)
        await anyio.sleep(200)
        assert ({"a.jpg": DONE}, {"a.jpg"}) == (await rig.states(), rig.outputs())


async def test_rules_share_the_mark_of_one_folder_and_a_copy_gets_its_own(tmp_path: Path) -> None:
    """Two folders with one mark could not be told apart (scenario 135)."""
    two = rule(tmp_path, name="two", output=str(tmp_path / "out2"))
    async with running(tmp_path, rule(tmp_path), two) as rig:
        rig.drop("a.jpg")
        await anyio.sleep(60)
        mark = os.getxattr(tmp_path / "in", ATTRIBUTE)
        assert set() == codes(rig)
    (tmp_path / "copy").mkdir()
    os.setxattr(tmp_path / "copy", ATTRIBUTE, mark)
    copy = rule(tmp_path, name="copy", watch=str(tmp_path / "copy"), output=str(tmp_path / "out3"))
    async with running(tmp_path, rule(tmp_path), two, copy) as rig:
        await anyio.sleep(60)
        assert set() == codes(rig)
    assert (mark, True) == (
        os.getxattr(tmp_path / "in", ATTRIBUTE),
        mark != os.getxattr(tmp_path / "copy", ATTRIBUTE),
    )


async def test_a_rule_with_a_new_name_knows_its_folder(tmp_path: Path) -> None:
    """And is not taken in by another in its place (scenarios 126, 135)."""
    async with running(tmp_path, removing(tmp_path)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
    back = swap(tmp_path, "stray.jpg")
    async with running(tmp_path, removing(tmp_path, name="renamed")) as rig:
        await until_told(rig, "WATCH_CHANGED")
        await anyio.sleep(200)
        assert ({"a.jpg": DONE}, {"a.jpg"}) == (await rig.states(), rig.outputs())
        back()
        await until_told(rig)
        known = [row["key"] for row in await rig.store.read(lambda connection: connection.all("values_of_roots"))]
        assert ([roots_key("renamed")], True) == (known, seen_key("renamed") != known[0])


async def test_an_edited_watch_counts_where_the_files_moved_along(tmp_path: Path) -> None:
    """Into a folder with other files it asks first: the old ones would count as deleted (scenario 135)."""
    async with running(tmp_path, removing(tmp_path)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        (tmp_path / "in").rename(tmp_path / "moved")
        rig.engine.context.rules = {"studio": removing(tmp_path, watch=str(tmp_path / "moved"))}
        await anyio.sleep(60)
        moved = codes(rig)
        rig.drop("other.jpg")
        rig.engine.context.rules = {"studio": removing(tmp_path)}
        await until_told(rig, "WATCH_CHANGED")
        assert (set(), {"a.jpg"}, {"a.jpg": DONE}) == (moved, rig.outputs(), await rig.states())


async def test_a_disk_below_the_folder_that_is_not_mounted_keeps_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are known as before, and the rest of the folder goes on (scenario 135)."""
    monkeypatch.setattr(roots, "mounts_below", lambda _root: ("disk",))
    async with running(tmp_path, removing(tmp_path)) as rig:
        rig.drop("disk/a.jpg")
        rig.drop("disk/deep/b.jpg")
        await rig.settled(2)
        disk = tmp_path / "in/disk"
        disk.rename(aside := tmp_path / "aside")
        disk.mkdir()
        monkeypatch.setattr(roots, "mounts_below", lambda _root: ())
        rig.drop("disk/stray.jpg")
        await until_told(rig, "WATCH_CHANGED")
        rig.drop("c.jpg")
        await rig.until(lambda states: states.get("c.jpg") is DONE)
        await anyio.sleep(300)
        meanwhile = (set(await rig.states()), rig.outputs())
        shutil.rmtree(disk)
        await anyio.sleep(300)
        away = (codes(rig), rig.outputs())
        aside.rename(disk)
        monkeypatch.setattr(roots, "mounts_below", lambda _root: ("disk",))
        await until_told(rig)

        everything = {"disk/a.jpg", "disk/deep/b.jpg", "c.jpg"}
        assert ((everything, everything), ({"WATCH_CHANGED"}, everything)) == (meanwhile, away)
        assert everything == await present(rig)


async def test_a_disk_that_was_taken_away_for_good_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was on it is there no more, its mount point is an ordinary folder, its results stay (scenario 135)."""
    monkeypatch.setattr(roots, "mounts_below", lambda _root: ("disk",))
    async with running(tmp_path, removing(tmp_path)) as rig:
        rig.drop("disk/a.jpg")
        rig.drop("b.jpg")
        await rig.settled(2)
        (tmp_path / "in/disk").rename(tmp_path / "aside")
        monkeypatch.setattr(roots, "mounts_below", lambda _root: ())
        await until_told(rig, "WATCH_CHANGED")
        await rig.ask("accept-folder", rules=["studio"])
        await until_told(rig)
        await anyio.sleep(300)
        assert ({"b.jpg", "disk/a.jpg"}, {"b.jpg"}) == (rig.outputs(), await present(rig))
