"""Listings that several rules share: made once, and never older than one of their own would be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

from runflowd.files import SharedScans, shared_scan, walk

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def names(folder: Path, scans: SharedScans, since: int) -> list[str]:
    listings = walk(str(folder), scan=scans.since(since))
    return sorted(listing.path_of(name) for listing in listings for name in listing.files)


def tree(folder: Path, folders: int) -> list[str]:
    found = [f"{number}/{name}.jpg" for number in range(folders) for name in "ab"]
    for path in found:
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).touch()
    return sorted(found)


def test_a_listing_serves_whoever_asked_before_it_was_begun(tmp_path: Path) -> None:
    """The second reads no folder; who asks later reads them anew, and sees what came since (scenario 143)."""
    expected, scans = tree(tmp_path, 3), SharedScans()

    assert (expected, expected, 4) == (names(tmp_path, scans, 0), names(tmp_path, scans, 0), scans.begun)

    (tmp_path / "0/new.jpg").touch()
    now = scans.begun

    assert "0/new.jpg" not in names(tmp_path, scans, 0)
    assert ("0/new.jpg" in names(tmp_path, scans, now), scans.begun) == (True, 8)


def test_those_who_ask_at_the_same_time_wait_for_one_listing(tmp_path: Path) -> None:
    """Whoever comes first reads (scenario 143)."""
    expected, scans, start = tree(tmp_path, 50), SharedScans(), Barrier(8)

    def ask() -> list[str]:
        start.wait()
        return names(tmp_path, scans, 0)

    with ThreadPoolExecutor(8) as pool:
        found = [future.result() for future in [pool.submit(ask) for _ in range(8)]]

    assert ([expected] * 8, 51) == (found, scans.begun)


def test_a_folder_that_another_took_the_place_of_is_read_anew(tmp_path: Path) -> None:
    """What was listed is not what stands there (scenario 143)."""
    tree(tmp_path, 2)
    scans = SharedScans()
    names(tmp_path, scans, 0)
    (tmp_path / "1").rename(tmp_path / "away")
    (tmp_path / "1").mkdir()
    (tmp_path / "1/other.jpg").touch()

    assert "1/other.jpg" in names(tmp_path, scans, 0)


def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is far behind reads for himself; the latest listing is kept, however large it is (scenario 143)."""
    expected, scans = tree(tmp_path, 20), SharedScans()
    monkeypatch.setattr(shared_scan, "MAX_FILES", 1)
    names(tmp_path, scans, 0)

    assert (expected, 1) == (names(tmp_path, scans, 0), len(scans._kept))


def test_trouble_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one may fare better, and one that fails by surprise blocks nobody (scenario 143)."""
    expected, scans = tree(tmp_path, 1), SharedScans()

    def broken(root: str, relative: str) -> object:
        raise RuntimeError(root, relative)

    with monkeypatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(shared_scan, "scan_with_identity", broken)
        failure = pool.submit(names, tmp_path, scans, 0).exception()

    assert (True, expected) == (isinstance(failure, RuntimeError), names(tmp_path, scans, 0))
