"""Files in pages, the latest first: each that is meant comes once, whatever is asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.lifecycle import ItemState
from runflowd.store import browsing
from runflowd.store.browsing import Sought, newer, older
from runflowd.store.schema import migrate
from runflowd.store.sqlite import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runflowd.store.connection import Connection

STATES = (ItemState.DONE, ItemState.FAILED, ItemState.READY)
FOLDERS = ("", "shoes", "shoes/low", "shoes-old", "bags")


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """Sixty files of two rules, some of them superseded; their days are not in the order of their ids."""
    path = tmp_path_factory.mktemp("store") / "state.db"
    found = connect(path)
    migrate(found, path)
    for number in range(1, 61):
        state = STATES[number % 3]
        values = {
            "rule": "ab"[number % 2], "dir": FOLDERS[number % 5].encode(), "basename": f"IMG_{number}.jpg".encode(),
            "state": state, "ref": str(number).encode(),
            "ended": None if state is ItemState.READY else 1e9 + number * 7 % 40,
            "current": number % 11 != 0,
        }  # fmt: skip
        found.raw.execute(
            "INSERT INTO item (rule, dir, basename, state, reference, ended_at, current, "
            "size, mtime_ns, inode, found_at) "
            "VALUES (:rule, :dir, :basename, :state, :ref, :ended, :current, 1, 1, 1, 1)",
            values,
        )
    yield found
    found.raw.close()


def meant(connection: Connection, sought: Sought) -> list[int]:
    """The ids that are meant in their order, found by looking at every row."""
    rows = connection.raw.execute("SELECT * FROM full_item WHERE current = 1 OR state = 'ready'").fetchall()
    fits = [
        row
        for row in rows
        if sought.rule in {"", row["rule"]}
        and (not sought.states or row["state"] in sought.states)
        and (not sought.folder or f"{row['dir'].decode()}/".startswith(f"{sought.folder}/"))
        and sought.name.lower() in row["basename"].decode().lower()
        and (
            sought.ended is None
            or ((row["ended_at"] or 0) >= sought.ended[0] and (row["ended_at"] or 2e9) < sought.ended[1])
        )
    ]
    if sought.ended is None:
        return sorted((row["id"] for row in fits), reverse=True)
    return [row["id"] for row in sorted(fits, key=lambda row: (row["ended_at"], row["id"]), reverse=True)]


ASKED = st.builds(
    Sought,
    rule=st.sampled_from(["", "a", "b", "nobody"]),
    states=st.sampled_from([(), STATES[:1], STATES[1:]]),
    folder=st.sampled_from(["", "shoes", "shoes/low", "none"]),
    name=st.sampled_from(["", "img_1", "9.JPG", "%", "'"]),
    ended=st.sampled_from([None, (1e9, 1e9 + 20), (1e9 + 5, 1e9 + 6), (0.0, 1.0)]),
)


@given(ASKED, st.integers(1, 9), st.sampled_from([7, 250_000]))
def test_pages_hold_all_that_is_meant_once(connection: Connection, sought: Sought, limit: int, span: int) -> None:
    """In order; few fit, or many, and however far is looked for one page."""
    found: list[int] = []
    before: int | None = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(browsing, "SPAN", span)
        while True:
            sheet = older(connection, sought, before, limit)
            assert len(sheet.items) <= limit
            found += [item.id for item in sheet.items]
            if sheet.next is None:
                break
            before = sheet.next

    assert meant(connection, sought) == found


@given(ASKED)
def test_the_next_newer_one_is_the_one_before_in_the_list(connection: Connection, sought: Sought) -> None:
    """So that one can go through a list in both directions."""
    ids = meant(connection, sought)
    items = older(connection, sought, None, 100).items

    assert [None, *ids[:-1]][: len(ids)] == [
        None if (found := newer(connection, sought, item)) is None else found.id for item in items
    ]


NAMES = (
    "Straße.jpg",
    "STRASSE.jpg",
    "ÄPFEL.JPG",
    "äpfel.jpg",
    "Éclair (1).png",
    "ЖУК.png",
    "a+b_[c].jpg",
    "\udcff\udce4.jpg",
)


@pytest.fixture
def named(tmp_path: Path) -> Iterator[Connection]:
    """Files whose names have letters of many alphabets, and one that is no text."""
    found = connect(tmp_path / "state.db")
    migrate(found, tmp_path / "state.db")
    for number, name in enumerate(NAMES):
        found.raw.execute(
            "INSERT INTO item (rule, dir, basename, state, reference, size, mtime_ns, inode, found_at) "
            "VALUES ('a', x'', ?, 'done', ?, 1, 1, 1, 1)",
            (os.fsencode(name), bytes([number])),
        )
    yield found
    found.raw.close()


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("straße", {"Straße.jpg", "STRASSE.jpg"}),
        ("STRASSE.", {"Straße.jpg", "STRASSE.jpg"}),
        ("stras", {"Straße.jpg", "STRASSE.jpg"}),
        ("SE.JPG", {"Straße.jpg", "STRASSE.jpg"}),
        ("ssse", set()),
        ("äPF", {"ÄPFEL.JPG", "äpfel.jpg"}),
        ("éCLAIR (", {"Éclair (1).png"}),
        ("жук", {"ЖУК.png"}),
        ("A+B_[C].", {"a+b_[c].jpg"}),
        ("\udcff", {"\udcff\udce4.jpg"}),
        (".*", set()),
        ("\0", set()),
    ],
)
def test_a_part_of_a_name_is_found_whatever_the_case_of_its_letters(
    named: Connection, part: str, names: set[str]
) -> None:
    """Of any alphabet; nothing in it is a pattern, and names need not be text."""
    assert names == {item.path for item in older(named, Sought(name=part), None, 99).items}
