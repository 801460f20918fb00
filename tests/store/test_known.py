"""A folder is held against what is on record of it."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from runflowd.core.lifecycle import ItemState
from runflowd.core.model import Stat
from runflowd.store.known import differences
from runflowd.store.schema import in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.store.connection import Connection

STAT = Stat(1, 2, 3)
OTHER = Stat(1, 2, 4)


@pytest.fixture
def connection() -> Iterator[Connection]:
    """An empty state file in memory."""
    with closing(in_memory()) as made:
        yield made


def remember(connection: Connection, name: str, **columns: int | str) -> None:
    """A row of a file in the folder `a`."""
    values = {"state": ItemState.DONE, "absent_at": None, "rescan_requested": 0, "rerun_requested": 0, **columns}
    connection.raw.execute(
        "INSERT INTO item (rule, dir, basename, size, mtime_ns, inode, reference, found_at, state, absent_at, "
        "rescan_requested, rerun_requested) VALUES ('r', x'61', :name, 1, 2, 3, :name, 0, :state, :absent_at, "
        ":rescan_requested, :rerun_requested)",
        {"name": os.fsencode(name), **values},
    )


def test_files_that_stand_as_they_stood_are_no_difference(connection: Connection) -> None:
    """Nothing is made of them, whatever bytes their names hold."""
    files = {"one.jpg": STAT, os.fsdecode(b"\xff.jpg"): STAT, "\u00e4.jpg": STAT}
    for name in files:
        remember(connection, name)

    assert ({}, {}) == differences(connection, "r", "a", files)


def test_a_file_without_a_row_is_new(connection: Connection) -> None:
    """What another folder holds under its name does not count."""
    remember(connection, "one.jpg")

    assert ({}, {"two.jpg": OTHER}) == differences(connection, "r", "a", {"one.jpg": STAT, "two.jpg": OTHER})
    assert ({}, {"one.jpg": STAT}) == differences(connection, "r", "b", {"one.jpg": STAT})


def test_what_changed_went_or_came_back_is_given_as_it_is_on_record(connection: Connection) -> None:
    """So that its reader can tell which of them it is."""
    for name in ("changed", "gone", "same"):
        remember(connection, name)
    remember(connection, "back", absent_at=5)

    record, new = differences(connection, "r", "a", {"changed": OTHER, "back": STAT, "same": STAT})

    assert ({"changed": True, "gone": True, "back": False}, {}) == ({n: k.present for n, k in record.items()}, new)
    assert {STAT} == {known.stat for known in record.values()}


@pytest.mark.parametrize("state", [ItemState.WAITING, ItemState.FAILED])
def test_a_file_that_is_not_taken_is_always_given(connection: Connection, state: ItemState) -> None:
    """One that waits is looked at again, one that failed may be none of the rule's files any more."""
    remember(connection, "one", state=state)

    assert {"one"} == differences(connection, "r", "a", {"one": STAT}).record.keys()


@pytest.mark.parametrize("request_", ["rescan_requested", "rerun_requested"])
def test_a_file_that_somebody_asked_for_is_always_given(connection: Connection, request_: str) -> None:
    """It is read whatever its stat says."""
    remember(connection, "one", **{request_: 1})

    assert [True] == [known.requested for known in differences(connection, "r", "a", {"one": STAT}).record.values()]
