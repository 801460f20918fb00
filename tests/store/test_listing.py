"""The list of files: page by page it is what a plain look at every row gives."""

from __future__ import annotations

import os
from contextlib import closing
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from backends import connection_to
from hypothesis import given, settings
from hypothesis import strategies as st
from postgres_server import quick_server

from runflowd.store import listing
from runflowd.store.items import split
from runflowd.store.listing import Wanted, every, page
from runflowd.store.schema import in_memory
from runflowd.store.sqlite import SqliteConnection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.store.connection import Connection

names = st.sampled_from(["a.jpg", "b.png", "[x].jpg", os.fsdecode(b"\xff.jpg")])
folders = st.sampled_from(["", "shoes/", "shoes/new/", "shoes-old/", "Shoes/"])
rules = st.sampled_from(["one", "two"])
states = st.sampled_from(["ready", "done", "failed"])
sets_of_states = st.sampled_from([(), ("ready",), ("done",), ("ready", "failed")])
parts = st.sampled_from(["", "A", ".PNG", "x]"])
BATCHES = ["first", "second"]
batches = st.sampled_from(BATCHES)
files = st.tuples(rules, folders, names, states, batches, st.booleans())
patterns = st.one_of(
    st.sampled_from(
        ["*", "shoes/*", "shoes/new/a.jpg", "*/b.png", "s?oes*", "[Ss]hoes/*", "shoes/[[]x].jpg", "[", "[]", ""]
    ),
    st.text(alphabet="shoes/-*?[]!a.j", max_size=8),
)
wishes = st.builds(Wanted, st.none() | rules, sets_of_states, st.none() | batches, st.none() | patterns, parts)


@pytest.fixture(scope="module")
def empty() -> Iterator[Connection]:
    """An empty state file."""
    with closing(in_memory()) as made:
        yield made


asked = given(
    rows=st.lists(files, max_size=25), wanted=wishes, limit=st.integers(1, 9), few=st.sampled_from([0, 3, 2_000])
)


@asked
def test_pages_together_are_all_that_is_meant(
    empty: Connection, rows: list[tuple[str, str, str, str, str, bool]], wanted: Wanted, limit: int, few: int
) -> None:
    """Whichever index serves the question, and however little a page holds (scenario 137)."""
    empty.raw.execute("PRAGMA foreign_keys = OFF")
    compare(empty, rows, wanted, limit, few)


@pytest.fixture(scope="module")
def on_server() -> Iterator[Connection]:
    """An empty database."""
    with closing(connection_to(quick_server().prepared())) as connection:
        connection.raw.execute("SET session_replication_role = replica")  # as with foreign keys off
        yield connection


@settings(max_examples=25)
@asked
def test_pages_of_a_database_are_the_same(
    on_server: Connection, rows: list[tuple[str, str, str, str, str, bool]], wanted: Wanted, limit: int, few: int
) -> None:
    """Its texts and bytes are compared and searched as SQLite's are."""
    on_server.raw.execute("BEGIN")
    try:
        compare(on_server, rows, wanted, limit, few)
    finally:
        on_server.raw.execute("ROLLBACK")


def compare(
    connection: Connection, rows: list[tuple[str, str, str, str, str, bool]], wanted: Wanted, limit: int, few: int
) -> None:
    """Hold the pages against a look at every row."""
    expected = fill(connection, rows, wanted)
    found: list[int] = []
    after: int | None = 0
    with patch.object(listing, "FEW", few), patch.object(listing, "SPAN", 7):
        while after is not None:
            items, after = page(connection, wanted, after, limit)
            assert len(items) <= limit
            found += [item.id for item in items]
        whole = [item.id for item in every(connection, wanted)]

    assert (expected, expected) == (found, whole)


def fill(connection: Connection, rows: list[tuple[str, str, str, str, str, bool]], wanted: Wanted) -> list[int]:
    """Make these the only rows; give the ids of those that are meant."""
    mark = "?" if isinstance(connection, SqliteConnection) else "%s"
    connection.raw.execute("DELETE FROM item")
    connection.raw.execute("DELETE FROM batch")
    for number, batch in enumerate(BATCHES):
        connection.raw.execute(
            "INSERT INTO batch (id, number, rule, snapshot, service, model, state, items, sealed_at)"
            " VALUES (?, ?, '', '', '', '', '', 1, 0)".replace("?", mark),
            (batch, number),
        )
    expected: list[int] = []
    taken: set[tuple[str, str]] = set()
    for number, (rule, folder, name, state, batch, newest) in enumerate(rows, start=1):
        path = folder + name
        current = newest and (rule, path) not in taken
        taken |= {(rule, path)} if current else set()
        connection.raw.execute(
            "INSERT INTO item (id, rule, dir, basename, state, batch_number, reference, current,"
            " size, mtime_ns, inode, found_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, 1, 1, 0)".replace("?", mark),
            (number, rule, *split(path).values(), state, BATCHES.index(batch), str(number).encode(), current),
        )
        fits = {(wanted.rule, rule), (wanted.batch, batch)}
        listed = (current or state == "ready") and (not wanted.states or state in wanted.states)
        if listed and all(wish in {None, fact} for wish, fact in fits) and wanted.name.lower() in name.lower():
            expected += [number] if wanted.pattern is None or fnmatchcase(path, wanted.pattern) else []
    return expected
