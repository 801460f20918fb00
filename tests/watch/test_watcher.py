"""Hints come from real inotify, and the watcher's ills do not stay hidden."""

# ruff: noqa: ASYNC240  changing files is what these tests are about, and it takes no time

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import warnings
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import hearing
import pytest
from hearing import ALL, Changes, HearingWatcher, queue, take
from hypothesis import given
from hypothesis import strategies as st
from watchdog.events import FileCreatedEvent

from runflowd import files
from runflowd.core.turns import Lost
from runflowd.watch import HintQueue, ProblemKind, ScanHint, observer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

SUPPORT = Path(hearing.__file__).parent
"""Where a script finds what tests share."""

LONG = 20.0
"""Seconds before a test gives a hint up as lost; none waits that long when all is well."""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every test on both event loops."""
    return str(request.param)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A watched folder."""
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


@asynccontextmanager
async def watching(*roots: Path, ignore: tuple[Path, ...] = (), limit: int = 4096) -> AsyncIterator[HearingWatcher]:
    """A watcher whose first hints, the newly armed roots, are taken already."""
    async with HearingWatcher(limit) as watcher:
        await watcher.set_roots(map(str, roots), ignore=map(str, ignore))
        armed = await watcher.wait(LONG)
        assert {str(path) for path in roots if path.exists()} == armed.trees
        yield watcher


async def hinted(watcher: HearingWatcher, path: Path, *, tree: bool = False) -> bool:
    """Wait until a hint leads to `path`: its folder itself, or with `tree` all beneath it."""
    with anyio.move_on_after(LONG):
        while True:
            changes = await watcher.wait(LONG)
            covered = {str(path), *map(str, path.parents)} & changes.trees
            if covered or changes.everything or (not tree and str(path) in changes.folders):
                return True
    return False


def paste(root: Path, count: int) -> None:
    """Folders with one file each, made as fast as possible."""
    for number in range(count):
        folder = root / str(number)
        folder.mkdir()
        (folder / "a.jpg").write_bytes(b"x")


class TestHints:
    """Whatever happens in a root leads to a look at the right folder."""

    async def test_a_copied_file(self, root: Path) -> None:
        """Written in place."""
        async with watching(root) as watcher:
            (root / "a.jpg").write_bytes(b"x")

            assert await hinted(watcher, root)

    async def test_a_file_moved_in(self, root: Path, tmp_path: Path) -> None:
        """`mv` sends no close event, and needs none here (scenario 6)."""
        (tmp_path / "a.jpg").write_bytes(b"x")
        async with watching(root) as watcher:
            (tmp_path / "a.jpg").rename(root / "a.jpg")

            assert await hinted(watcher, root)

    async def test_a_hard_link(self, root: Path, tmp_path: Path) -> None:
        """Nor does a link."""
        (tmp_path / "a.jpg").write_bytes(b"x")
        async with watching(root) as watcher:
            (root / "a.jpg").hardlink_to(tmp_path / "a.jpg")

            assert await hinted(watcher, root)

    async def test_a_rename_inside_names_both_folders(self, root: Path) -> None:
        """One lost a file, the other gained one (scenario 13)."""
        for name in ("one", "two"):
            (root / name).mkdir()
        (root / "one" / "a.jpg").write_bytes(b"x")
        async with watching(root) as watcher:
            (root / "one" / "a.jpg").rename(root / "two" / "a.jpg")

            seen: set[str] = set()
            with anyio.move_on_after(LONG):
                while len(seen) < 2:
                    seen |= (await watcher.wait(LONG)).folders

        assert {str(root / "one"), str(root / "two")} == seen

    async def test_a_deletion(self, root: Path) -> None:
        """`on_delete: remove` needs to hear of it soon."""
        (root / "a.jpg").write_bytes(b"x")
        async with watching(root) as watcher:
            (root / "a.jpg").unlink()

            assert await hinted(watcher, root)

    @pytest.mark.parametrize("how", ["touch", "chmod"])
    async def test_a_touched_or_opened_up_file(self, root: Path, how: str) -> None:
        """Touching is how people ask for a retry; a fixed permission ends a wait (scenario 23)."""
        (root / "a.jpg").write_bytes(b"x")
        async with watching(root) as watcher:
            os.utime(root / "a.jpg") if how == "touch" else (root / "a.jpg").chmod(0o640)

            assert await hinted(watcher, root)

    async def test_a_pasted_tree_is_looked_at_as_a_tree(self, root: Path) -> None:
        """Folders made and filled at once, before watches are in place (scenario 7)."""
        async with watching(root) as watcher:
            deep = root / "a" / "b" / "c"
            deep.mkdir(parents=True)
            (deep / "x.jpg").write_bytes(b"x")

            assert await hinted(watcher, root / "a", tree=True)

    async def test_a_tree_moved_in_is_watched_from_then_on(self, root: Path, tmp_path: Path) -> None:
        """Later files in it are seen as well, which older libraries missed."""
        (tmp_path / "t" / "deep").mkdir(parents=True)
        async with watching(root) as watcher:
            (tmp_path / "t").rename(root / "t")
            assert await hinted(watcher, root / "t", tree=True)

            (root / "t" / "deep" / "later.jpg").write_bytes(b"x")

            assert await hinted(watcher, root / "t" / "deep")

    async def test_a_large_paste_neither_warns_nor_kills(self, root: Path) -> None:
        """The library warns for each folder it meets twice; as an error that would end its thread (scenario 78)."""
        async with watching(root) as watcher:
            await anyio.to_thread.run_sync(paste, root, 300)
            assert await hinted(watcher, root / "299", tree=True)

            assert () == await watcher.audit()

    async def test_the_librarys_warning_flood_is_silenced(self, root: Path) -> None:
        """Its text holds the whole watch table: up to 24 MB for one paste (scenario 78)."""
        async with watching(root):
            warnings.warn("Callback with id '7' already exists for watch ...", RuntimeWarning, stacklevel=1)

    async def test_names_that_are_no_utf8(self, root: Path) -> None:
        """The hint names the folder as the file system does (scenario 46)."""
        odd = Path(os.fsdecode(os.fsencode(root) + b"/\xff"))
        odd.mkdir()
        async with watching(root) as watcher:
            (odd / "a.jpg").write_bytes(b"x")

            assert await hinted(watcher, odd)

    async def test_a_symlinked_root_is_named_as_configured(self, root: Path, tmp_path: Path) -> None:
        """The library would watch the link itself and hear nothing."""
        link = tmp_path / "link"
        link.symlink_to(root)
        async with watching(link) as watcher:
            (root / "a.jpg").write_bytes(b"x")

            assert await hinted(watcher, link)

    async def test_many_roots_share_one_inotify_instance(self, root: Path) -> None:
        """The limit of 128 instances is no limit on rules (scenario 29)."""
        roots = [root / str(number) for number in range(150)]
        for path in roots:
            path.mkdir()
        async with watching(*roots) as watcher:
            (roots[149] / "a.jpg").write_bytes(b"x")

            assert await hinted(watcher, roots[149])

    async def test_a_burst_leads_to_every_folder(self, root: Path) -> None:
        """Events may be folded or lost; every folder is named or everything is (scenarios 25 and 27)."""
        folders = [root / str(number) for number in range(20)]
        for folder in folders:
            folder.mkdir()
        missing = {str(folder) for folder in folders}
        async with watching(root) as watcher:
            await anyio.to_thread.run_sync(lambda: [(f / str(n)).write_bytes(b"x") for n in range(50) for f in folders])
            with anyio.move_on_after(LONG):
                while missing:
                    changes = await watcher.wait(LONG)
                    missing = set() if changes.everything else missing - changes.folders

        assert set() == missing


class TestNoise:
    """What is not news does not wake the daemon."""

    async def test_reading_our_own_way_through_is_silent(self, root: Path) -> None:
        """Hashing thousands of files must not cause thousands of hints."""
        (root / "a.jpg").write_bytes(b"x")
        async with watching(root) as watcher:
            (root / "a.jpg").read_bytes()
            (root / "last").mkdir()
            changes = await watcher.wait(LONG)

        assert changes.trees <= {str(root / "last")}

    async def test_drafts_and_ignored_folders_are_silent(self, root: Path) -> None:
        """Our own temporary files and outputs do not wake us (scenario 40)."""
        (root / "out").mkdir()
        (root / "sub").mkdir()
        async with watching(root, ignore=(root / "out",)) as watcher:
            (root / "out" / "result.png").write_bytes(b"x")
            (root / "sub" / f"{files.TEMPORARY_PREFIX}1.part").write_bytes(b"x")
            (root / "last.jpg").write_bytes(b"x")
            changes = await watcher.wait(LONG)

        assert Changes(folders=frozenset({str(root)})) == changes

    async def test_waiting_ends_at_the_deadline(self, root: Path) -> None:
        """Without hints the answer is empty, not late."""
        async with watching(root) as watcher:
            assert not await watcher.wait(0)

    async def test_more_hints_than_the_limit_become_everything(self, root: Path) -> None:
        """Bounded memory whatever the users do: one move between folders is two hints."""
        for name in ("one", "two"):
            (root / name).mkdir()
        (root / "one" / "a.jpg").write_bytes(b"x")
        async with watching(root, limit=1) as watcher:
            (root / "one" / "a.jpg").rename(root / "two" / "a.jpg")
            changes = await watcher.wait(LONG)

        assert Changes(everything=True) == changes


class TestIlls:
    """Each silent failure of a watcher is found, told once and mended."""

    async def test_a_healthy_watcher_has_no_trouble(self, root: Path) -> None:
        """No false alarms."""
        async with watching(root) as watcher:
            assert () == await watcher.audit()

    async def test_a_missing_root_is_reported_once(self, root: Path) -> None:
        """Standby with a reason, not an error at each turn (scenario 32)."""
        shutil.rmtree(root)
        async with HearingWatcher() as watcher:
            await watcher.set_roots([str(root)])
            first, second = await watcher.audit(), await watcher.audit()

        assert ([ProblemKind.ROOT_GONE], ()) == ([trouble.kind for trouble in first], second)

    async def test_a_root_deleted_and_made_again_is_watched_again(self, root: Path) -> None:
        """The library's observer lives on and hears nothing (scenario 30)."""
        async with watching(root) as watcher:
            shutil.rmtree(root)
            gone = await watcher.audit()
            root.mkdir()
            back = await watcher.audit()
            assert await hinted(watcher, root, tree=True)
            (root / "a.jpg").write_bytes(b"x")

            assert await hinted(watcher, root)

        assert ([ProblemKind.ROOT_GONE], ()) == ([trouble.kind for trouble in gone], back)

    async def test_a_root_renamed_and_replaced_is_noticed(self, root: Path, tmp_path: Path) -> None:
        """Events under the old name would be ghosts of the moved folder (scenario 31)."""
        async with watching(root) as watcher:
            root.rename(tmp_path / "aside")
            root.mkdir()
            told = await watcher.audit()
            assert await hinted(watcher, root, tree=True)
            (root / "a.jpg").write_bytes(b"x")

            assert await hinted(watcher, root)

        assert [ProblemKind.ROOT_REPLACED] == [trouble.kind for trouble in told]

    @pytest.mark.parametrize("victim", ["dispatcher", "reader"])
    async def test_a_dead_thread_is_replaced(self, root: Path, victim: str) -> None:
        """An exception in one of the library's threads ends all watching without a word (scenario 41)."""
        async with watching(root) as watcher:
            observer: Any = watcher._observer
            thread = observer if victim == "dispatcher" else observer._inotify_fd
            thread.stop()
            await anyio.to_thread.run_sync(thread.join)
            told = await watcher.audit()
            assert await hinted(watcher, root, tree=True)
            (root / "a.jpg").write_bytes(b"x")

            assert await hinted(watcher, root)

        assert [ProblemKind.DIED] == [trouble.kind for trouble in told]

    async def test_a_dead_emitter_is_replaced(self, root: Path) -> None:
        """One thread per root can die alone."""
        async with watching(root) as watcher:
            observer: Any = watcher._observer
            for emitter in list(observer.emitters):
                emitter.stop()
                await anyio.to_thread.run_sync(emitter.join)
            await watcher.audit()

            assert await hinted(watcher, root, tree=True)

    async def test_the_last_words_of_a_stopped_observer_are_kept_down(
        self, root: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """An event that came while it was replaced; the library tells that as an error, and it is none."""
        async with watching(root):
            logger = logging.getLogger("watchdog.observers.inotify")
            logger.error("InotifyEmitter.queue_events() called when the thread is inactive")
            logger.error("something else")

        assert ["something else"] == [record.message for record in caplog.records if record.name == logger.name]

    async def test_an_overflow_means_everything(self, root: Path) -> None:
        """The library only logs it; the log line is kept down and becomes a hint (scenario 27)."""
        async with watching(root) as watcher:
            logger = logging.getLogger("watchdog.observers.inotify_c")
            await anyio.to_thread.run_sync(logger.warning, "Inotify queue overflowed; filesystem events were lost")
            changes = await watcher.wait(LONG)
            told = await watcher.audit()
            again = await watcher.audit()

        assert (True, [ProblemKind.OVERFLOW], ()) == (changes.everything, [trouble.kind for trouble in told], again)

    async def test_no_threads_are_left_behind(self, root: Path) -> None:
        """Leaving the watcher ends all of the library's threads."""
        before = set(threading.enumerate())
        async with watching(root):
            during = set(threading.enumerate()) - before

        left = {
            thread
            for thread in during
            if thread.is_alive() and "AnyIO" not in thread.name and "Trio" not in thread.name
        }
        assert set() == left

    async def test_roots_can_be_exchanged(self, root: Path, tmp_path: Path) -> None:
        """A reload watches the new folders and leaves the old ones alone."""
        other = tmp_path / "other"
        other.mkdir()
        async with watching(root) as watcher:
            await watcher.set_roots([str(other)])
            assert await hinted(watcher, other, tree=True)
            (root / "a.jpg").write_bytes(b"x")
            (other / "b.jpg").write_bytes(b"x")
            changes, watched = await watcher.wait(LONG), watcher.watched

        assert (frozenset({str(other)}),) * 2 == (changes.folders, watched)


def test_the_watch_limit_is_reported_with_its_remedy(tmp_path: Path) -> None:
    """The library watches 19 of 60 folders without a word; we name the number needed (scenario 28)."""
    for number in range(60):
        (tmp_path / "in" / str(number)).mkdir(parents=True)
    code = """
        import sys, anyio
        sys.path.insert(0, sys.argv[2])
        from hearing import HearingWatcher
        async def main():
            async with HearingWatcher() as watcher:
                await watcher.set_roots([sys.argv[1]])
                for trouble in await watcher.audit():
                    print(trouble.kind, trouble.message)
                print(len(await watcher.audit()))
                open("/proc/sys/user/max_inotify_watches", "w").write("5000")
                print(len(await watcher.audit()), len(watcher.problems))
                while not (await watcher.wait(0)).trees:
                    pass
                open(sys.argv[1] + "/59/a.jpg", "w").close()
                print(sorted((await watcher.wait(20)).folders) == [sys.argv[1] + "/59"])
        anyio.run(main)
    """
    script = tmp_path / "limit.py"
    script.write_text(textwrap.dedent(code), encoding="utf-8")
    command = f'exec "{sys.executable}" "{script}" "{tmp_path}/in" "{SUPPORT}"'
    limited = f"echo 20 > /proc/sys/user/max_inotify_watches && {command}"
    if subprocess.run(["unshare", "-Ur", "true"], check=False, capture_output=True).returncode:
        pytest.skip("user namespaces are not available")

    done = subprocess.run(["unshare", "-Ur", "sh", "-c", limited], capture_output=True, text=True, check=False)

    assert "" == done.stderr
    lines = done.stdout.splitlines()
    assert "the watched folders hold 61 directories" in lines[0]
    assert "sysctl fs.inotify.max_user_watches=524288" in lines[0]
    assert ["0", "0 0", "True"] == lines[1:]


def test_a_handler_never_raises() -> None:
    """An exception would end the library's thread; a rescan is the answer instead (scenario 41)."""

    class Broken(HintQueue):
        def add_path(self, path: str, *, deep: bool = False) -> bool:
            raise RuntimeError(path, deep)

    hints = Broken()
    hints.set_roots({ALL: "/"})
    woken: list[bool] = []
    handler = observer.Handler("/in", "/in", frozenset(), hints, lambda: woken.append(True))

    handler.dispatch(FileCreatedEvent("/in/a.jpg"))

    assert (Changes(everything=True), [True]) == (take(hints), woken)


paths = st.lists(st.sampled_from("abc"), max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(st.lists(st.tuples(st.booleans(), paths)), st.integers(1, 8))
def test_every_hint_is_covered(noted: list[tuple[bool, str]], limit: int) -> None:
    """Folding and bounding may widen where to look, never narrow it."""
    hints = queue(limit)
    firsts = [hints.add_path(path, deep=tree) for tree, path in noted]

    changes = take(hints)

    def covered(path: str, *, tree: bool) -> bool:
        above = {path, *map(str, Path(path).parents)} & changes.trees
        return changes.everything or bool(above) or (not tree and path in changes.folders)

    assert all(covered(path, tree=tree) for tree, path in noted)
    assert len(changes.folders) + len(changes.trees) <= limit
    assert bool(noted) == any(firsts)
    assert not hints


class TestHintQueue:
    """One queue from whoever notices to the scan."""

    def test_a_path_is_a_hint_for_every_rule_that_it_lies_in(self) -> None:
        """Rules may watch the same folder, or one beneath another's."""
        hints = HintQueue()
        hints.set_roots({"outer": "/in", "same": "/in", "inner": "/in/a", "other": "/in/ab"})

        hints.add_path("/in/a/b")

        expected = {("outer", "a/b"), ("same", "a/b"), ("inner", "b")}
        assert {(rule, folder, False) for rule, folder in expected} == set(hints)

    def test_hints_of_one_rule_do_not_make_another_one_rescan(self) -> None:
        """Each rule has room of its own (scenario 138)."""
        hints = HintQueue(limit=3)
        hints.set_roots({"busy": "/busy", "calm": "/calm"})
        for folder in "abcde":
            hints.add("busy", folder)
        for folder in "xyzx":
            hints.add("calm", folder)

        assert {"x", "y", "z"} == {hint.folder for hint in hints}
        assert (Lost.HINTS, Lost.NOTHING) == (hints.pop_lost("busy"), hints.pop_lost("calm"))

    def test_a_root_that_is_watched_anew_is_distinguished_from_lost_hints(self) -> None:
        """Before the first rescan there is nothing to catch up with."""
        hints = HintQueue()
        hints.set_roots({"rule": "/in"})

        assert hints.add_path("/in", deep=True)

        assert (Lost.REARMED, Lost.NOTHING) == (hints.pop_lost("rule"), hints.pop_lost("rule"))

    def test_a_repeated_hint_comes_when_it_is_due_and_once(self) -> None:
        """A pasted folder is scanned again, and not for a third time."""
        hints = HintQueue()
        hints.set_roots({"rule": "/in"})
        hint = ScanHint("rule", "a", deep=True)
        hints.repeat(hint, 12.0)

        hints.put_due(11.9)
        early = hints.pop("rule")
        hints.put_due(12.0)

        assert (None, (hint, False), None) == (early, hints.pop("rule"), hints.pop("rule"))

    def test_a_new_paste_below_one_that_is_repeated_gets_its_own_second_scan(self) -> None:
        """The repeated scan is the last one of its folder; what is pasted meanwhile needs another."""
        hints = HintQueue()
        hints.set_roots({"rule": "/in"})
        hints.repeat(ScanHint("rule", "a", deep=True), 0.0)
        hints.put_due(0.0)

        hints.add_path("/in/a/b", deep=True)

        assert [False, True] == [again for _, again in iter(lambda: hints.pop("rule"), None)]

    def test_a_rule_that_is_not_in_force_has_no_hints(self) -> None:
        """Else they would wait for ever, and `sync` with them."""
        hints = HintQueue()
        hints.set_roots({"old": "/in"})
        hints.add("old", "a")
        hints.set_roots({"new": "/in"})

        assert (False, False) == (hints.add("old", "b"), bool(hints))


@pytest.mark.anyio
async def test_a_watcher_started_anew_still_hears(tmp_path: Path) -> None:
    """Every root is a tree to look at, and later events come."""
    root = tmp_path / "root"
    root.mkdir()
    async with watching(root) as watcher:
        await watcher.rebuild()
        assert await hinted(watcher, root, tree=True)

        (root / "a.jpg").write_bytes(b"x")

        assert await hinted(watcher, root)
