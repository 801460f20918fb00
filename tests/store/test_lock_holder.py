"""Who holds a state file is asked of a lock whose path others may have chosen: nothing but a plain file is read."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from runflowd.store import open_store
from runflowd.store.state_file import holder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def make_pipe(place: Path) -> None:
    """Opening it to read would wait for a writer."""
    os.mkfifo(place)


def make_link(place: Path) -> None:
    """It would be followed to anywhere."""
    (place.parent / "elsewhere").write_text(str(os.getpid()))
    place.symlink_to(place.parent / "elsewhere")


def make_endless(place: Path) -> None:
    """Reading it would not end."""
    place.symlink_to("/dev/zero")


def make_socket(place: Path) -> None:
    """It cannot be opened."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(place))


def make_huge(place: Path) -> None:
    """Of a file without end only the beginning is looked at."""
    with place.open("wb") as file:
        file.write(b"1" * 64)
        file.truncate(1 << 40)


@pytest.mark.parametrize("make", [make_pipe, make_link, make_endless, make_socket, make_huge], ids=lambda f: f.__name__)
def test_a_lock_that_is_no_short_plain_file_names_nobody(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """The mark of an output folder names it, and who may write that folder may write the mark (scenario 148)."""
    make(tmp_path / "state.db.lock")

    assert holder(tmp_path / "state.db") is None


@pytest.mark.anyio
async def test_the_holder_of_an_open_state_file_is_named(tmp_path: Path) -> None:
    """By its process id."""
    async with open_store(tmp_path / "state.db"):
        assert os.getpid() == holder(tmp_path / "state.db")
