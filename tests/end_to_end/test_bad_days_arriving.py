"""Files whose dates and numbers on the disk say nothing about them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from daemon_process import picture, promised, sha256

if TYPE_CHECKING:
    from daemon_process import Installation

YEAR_2100 = 4102444800
"""Seconds since 1970."""


def test_dates_of_files_decide_nothing(installation: Installation) -> None:
    """A file of 1970 and one of the next century are bought like any other (scenario 20)."""
    dropped = {"old.jpg": picture(), "future.jpg": picture(), "now.jpg": picture()}
    for path, data in dropped.items():
        installation.write(path, data)
    os.utime(installation.input / "old.jpg", (0, 0))
    os.utime(installation.input / "future.jpg", (YEAR_2100, YEAR_2100))
    installation.start()
    installation.wait_for_rest(*dropped)

    assert promised(dropped) == installation.books()


def test_an_inode_that_is_used_again_is_no_file_known_before(installation: Installation) -> None:
    """Another content under the old number and a new name is bought for itself (scenario 73)."""
    first, second = picture(), picture()
    written = installation.write("first.jpg", first)
    daemon = installation.start()
    installation.wait_for_rest("first.jpg")
    daemon.kill()
    number = written.stat().st_ino
    written.rename(installation.input / "second.jpg")
    installation.write("second.jpg", second)
    assert number == (installation.input / "second.jpg").stat().st_ino
    installation.start()
    installation.wait("done", "second.jpg")

    assert {sha256(first): 1, sha256(second): 1} == installation.bought()
    assert {"first.jpg": first, "second.jpg": second} == installation.outputs()
