"""Somebody who may write in a folder swaps parts of it for links, as fast as the kernel can (scenarios 21, 44)."""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import os
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runflowd import files
from runflowd.files import placing
from runflowd.files.draft import ExistingFile, look_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TRIES = 300
SWAPS = 10
SECRET = b"nobody's business"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@pytest.fixture
def root(tmp_path: Path) -> str:
    """A folder with `sub` in it, beside it a link that leads out, and outside a secret of the same name."""
    for folder in ("root/sub", "outside"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "root/link").symlink_to(tmp_path / "outside")
    (tmp_path / "outside/photo.jpg").write_bytes(SECRET)
    return str(tmp_path / "root")


@contextmanager
def swapping(one: str, other: str) -> Iterator[list[int]]:
    """Exchange two names without a pause, in a thread; gives a list that holds the number of swaps at its end."""
    exchange, over, swaps = ctypes.CDLL(None, use_errno=True).renameat2, threading.Event(), [0]

    def swap() -> None:
        while not over.is_set():
            swaps[0] += exchange(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield swaps
    finally:
        over.set()
        thread.join()


def tries(enough: Callable[[], bool]) -> Iterator[int]:
    """Numbers of tries, at least TRIES, until the other side has had its turns: a busy machine shares them oddly."""
    return itertools.takewhile(lambda number: number < TRIES or not enough(), itertools.count())


def test_no_result_is_written_through_a_link(root: str, tmp_path: Path) -> None:
    """Between the look at a folder and the rename of the result into it, the folder may become a link."""
    placed: list[int] = []
    refused = 0
    with swapping(f"{root}/sub", f"{root}/link") as swaps:
        for number in tries(lambda: bool(placed) and swaps[0] > SWAPS):
            try:
                with files.Draft(root, "sub", limit=100) as draft:
                    draft.write(b"new")
                    draft.commit(f"{number}.png")
                placed.append(number)
            except files.FileError:
                refused += 1

    assert [tmp_path / "outside/photo.jpg"] == list((tmp_path / "outside").iterdir())
    assert len(placed) + refused >= TRIES


@pytest.mark.parametrize("swapped", ["sub", "sub/photo.jpg"])
def test_no_file_is_read_through_a_link(root: str, tmp_path: Path, swapped: str) -> None:
    """Between the look at a file and its reading, it or its folder may become a link to a file elsewhere."""
    photo = Path(root, "sub/photo.jpg")
    photo.write_bytes(SECRET[::-1])  # as long as the secret, so that a size would not tell
    (tmp_path / "root/sub/link").symlink_to(tmp_path / "outside/photo.jpg")
    seen: set[str] = set()
    beside = f"{root}/link" if swapped == "sub" else f"{root}/sub/link"
    with swapping(f"{root}/{swapped}", beside) as swaps:
        for _ in tries(lambda: bool(seen) and swaps[0] > SWAPS):  # noqa: B023  asked while it loops
            try:
                found = files.stat(root, "sub/photo.jpg")
                seen |= {files.hash_file(root, "sub/photo.jpg", found)} if found else set()
            except files.FileError:
                continue

    assert seen == {hashlib.sha256(SECRET[::-1]).hexdigest()}


def test_nothing_is_removed_through_a_link(root: str, tmp_path: Path) -> None:
    """The file that is to be cleared away is the one that was expected, in the folder that was meant."""
    outside = tmp_path / "outside/photo.jpg"
    expected = files.stat(str(outside.parent), outside.name)
    assert expected is not None
    with swapping(f"{root}/sub", f"{root}/link") as swaps:
        for _ in tries(lambda: swaps[0] > SWAPS):
            try:
                files.remove(root, "sub/photo.jpg", expected)
            except files.FileError:
                continue

    assert outside.read_bytes() == SECRET


def test_a_newer_version_is_never_removed_in_the_place_of_an_older_one(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody saves a file in the instant between the last look at its earlier version and its removal."""
    place = Path(root, "sub/photo.jpg")
    place.write_bytes(b"old")
    expected = files.stat(root, "sub/photo.jpg")
    assert expected is not None
    looks = itertools.count()

    def look_then_save(name: str, folder: int) -> ExistingFile | None:
        found = look_at(name, folder)
        if next(looks) == 0:  # the next one is at what was set aside
            (draft := place.with_name("draft")).write_bytes(b"new")
            draft.replace(place)
        return found

    monkeypatch.setattr(placing, "look_at", look_then_save)
    with pytest.raises(files.Changed):
        files.remove(root, "sub/photo.jpg", expected)

    assert {"photo.jpg": b"new"} == {path.name: path.read_bytes() for path in place.parent.iterdir()}


@pytest.mark.parametrize(("left", "kept"), [(b"old", {}), (b"newer", {"photo.jpg": b"newer"})])
def test_what_a_killed_removal_left_aside_is_taken_up(root: str, left: bytes, kept: dict[str, bytes]) -> None:
    """The expected file goes, another one gets its name back (scenario 75)."""
    place = Path(root, "sub/photo.jpg")
    place.write_bytes(b"old")
    expected = files.stat(root, "sub/photo.jpg")
    assert expected is not None
    if left != b"old":
        place.write_bytes(left)
    place.rename(place.with_name(".runflowd-0123456789ab.aside-photo.jpg"))

    with suppress(files.Changed):
        files.remove(root, "sub/photo.jpg", expected)

    assert kept == {path.name: path.read_bytes() for path in place.parent.iterdir()}
