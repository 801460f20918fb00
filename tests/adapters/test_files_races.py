"""Somebody who may write in a folder swaps parts of it for links, as fast as the kernel can (scenarios 21, 44)."""

from __future__ import annotations

import ctypes
import hashlib
import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runflowd import files

if TYPE_CHECKING:
    from collections.abc import Iterator

TRIES = 300
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


def test_no_result_is_written_through_a_link(root: str, tmp_path: Path) -> None:
    """Between the look at a folder and the rename of the result into it, the folder may become a link."""
    placed = refused = 0
    with swapping(f"{root}/sub", f"{root}/link") as swaps:
        for number in range(TRIES):
            try:
                with files.start_draft(root, "sub", limit=100) as draft:
                    draft.write(b"new")
                    draft.commit(f"{number}.png")
                placed += 1
            except files.FileTrouble:
                refused += 1

    assert [tmp_path / "outside/photo.jpg"] == list((tmp_path / "outside").iterdir())
    assert (TRIES, True, True) == (placed + refused, placed > 0, swaps[0] > 10)


@pytest.mark.parametrize("swapped", ["sub", "sub/photo.jpg"])
def test_no_file_is_read_through_a_link(root: str, tmp_path: Path, swapped: str) -> None:
    """Between the look at a file and its reading, it or its folder may become a link to a file elsewhere."""
    photo = Path(root, "sub/photo.jpg")
    photo.write_bytes(SECRET[::-1])  # as long as the secret, so that a size would not tell
    (tmp_path / "root/sub/link").symlink_to(tmp_path / "outside/photo.jpg")
    seen: set[str] = set()
    beside = f"{root}/link" if swapped == "sub" else f"{root}/sub/link"
    with swapping(f"{root}/{swapped}", beside) as swaps:
        for _ in range(TRIES):
            try:
                found = files.stat(root, "sub/photo.jpg")
                seen |= {files.hash_file(root, "sub/photo.jpg", found)} if found else set()
            except files.FileTrouble:
                continue

    assert seen == {hashlib.sha256(SECRET[::-1]).hexdigest()}
    assert swaps[0] > 10


def test_nothing_is_removed_through_a_link(root: str, tmp_path: Path) -> None:
    """The file that is to be cleared away is the one that was expected, in the folder that was meant."""
    outside = tmp_path / "outside/photo.jpg"
    expected = files.stat(str(outside.parent), outside.name)
    assert expected is not None
    with swapping(f"{root}/sub", f"{root}/link"):
        for _ in range(TRIES):
            try:
                files.remove(root, "sub/photo.jpg", expected)
            except files.FileTrouble:
                continue

    assert outside.read_bytes() == SECRET
