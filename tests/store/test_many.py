"""Statements for many sets of values over PostgreSQL: one statement, and the same answers as one by one over SQLite."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from backends import Backend
from postgres_server import quick_server

from runflowd.store.postgresql.many import for_many, types_of
from runflowd.store.schema import in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.store import Connection
    from runflowd.store.postgresql.connection import PostgresConnection

psycopg = pytest.importorskip("psycopg")


@pytest.fixture
def connection() -> Iterator[PostgresConnection]:
    """A connection to a database with the tables of the store, and no rows."""
    with ExitStack() as stack:
        yield Backend(quick_server().prepared(), stack).connect()  # type: ignore[misc]  # which is one of PostgreSQL


def left_out(name: bytes, pattern: str, files: int = 1) -> dict[str, Any]:
    """A row of a small table that has bytes, text and numbers."""
    return {"rule": "r", "dir": name, "pattern": pattern, "files": files, "folders": 0}


def test_every_statement_is_understood_for_many_sets(connection: PostgresConnection) -> None:
    """The server parses each one that has such a form, with the types that it gives the values of a single one."""
    connection.run("begin_plan")
    refused: dict[str, str] = {}
    for name in connection.statements.keys() - {"begin_plan"}:
        text = connection.statements[name]
        if (many := for_many(text, types_of(connection.raw, text))) is None:
            continue
        try:
            connection.raw.execute(f"PREPARE tried AS {many.text.replace('%(rows)s', '$1').replace('%%', '%')}")
            connection.raw.execute("DEALLOCATE tried")
        except connection.failures as error:
            refused[name] = str(error)

    assert {} == refused


def test_values_arrive_as_they_were_given(connection: PostgresConnection) -> None:
    """Bytes that are no text, quotes and backslashes, letters beyond the first plane, and large numbers."""
    rows = [
        left_out(b"\xff\x00'\\x", 'it\'s "so" \\u0041 \N{CAMERA WITH FLASH}', 2**62),
        left_out(b"", "%s ${x} {1,2} NULL", -1),
    ]
    for each in (connection, in_memory()):
        each.run_many("save_left_out", rows)
        found = [dict(row) for row in each.all("left_out", rules='["r"]', limit=9)]

        assert sorted(rows, key=str) == sorted(({**row, "dir": bytes(row["dir"])} for row in found), key=str)


def test_each_set_gets_the_rows_of_its_own_answer(connection: PostgresConnection) -> None:
    """None, one or several, in the order of the sets."""
    for each in (connection, in_memory()):
        each.run_many("save_left_out", [left_out(b"two", "a"), left_out(b"two", "b"), left_out(b"one", "c")])
        asked = [{"rule": "r", "dir": name} for name in (b"none", b"two", b"one", b"two")]
        answers = each.all_each("left_out_in_folder", asked)

        assert [[], ["a", "b"], ["c"], ["a", "b"]] == [sorted(row["pattern"] for row in rows) for rows in answers]


def test_rows_have_what_the_statement_asks_for_and_no_more(connection: PostgresConnection) -> None:
    """Whoever takes a row apart by places, or makes a mapping of it, finds the columns of the single statement."""
    for each in (connection, in_memory()):
        each.run_many("save_left_out", [left_out(b"two", "a", 7), left_out(b"one", "b", 8)])
        (first,), (second,) = each.all_each(
            "left_out_in_folder", [{"rule": "r", "dir": name} for name in (b"one", b"two")]
        )

        assert ({"pattern": "b", "files": 8, "folders": 0}, ["a", 7, 0]) == (dict(first), list(second))


def test_each_set_gets_the_number_of_rows_that_it_changed(connection: PostgresConnection) -> None:
    """Of a deletion: none, several or one; and all of them together count as changes."""
    for each in (connection, in_memory()):
        each.run_many("save_left_out", [left_out(b"two", "a"), left_out(b"two", "b"), left_out(b"one", "c")])
        _, before = each.all("left_out", rules='["r"]', limit=9), each.changes
        counts = each.run_each("forget_left_out", [{"rule": "r", "dir": name} for name in (b"none", b"two", b"one")])

        assert ([0, 2, 1], 3) == (counts, each.changes - before)


def test_what_is_inserted_answers_in_the_order_in_which_it_was_given(connection: PostgresConnection) -> None:
    """So that each new row's number is known."""
    for each in (connection, in_memory()):
        names = [b"c", b"a", b"b"]
        numbers = [rows[0]["id"] for rows in each.all_each("insert_item", [an_item(name) for name in names])]

        assert names == [bytes(name) for number in numbers for name in basename_of(each, number)]


def an_item(name: bytes) -> dict[str, Any]:
    """A file that nothing more is known of."""
    empty = "content_hash recipe_hash snapshot duplicate_of ready_at ended_at pixels settings settings_of"
    facts = {"rule": "r", "dir": b"", "basename": name, "size": 1, "mtime_ns": 2, "inode": 3, "state": "skipped"}
    facts |= {**dict.fromkeys(empty.split()), "failure_code": "", "failure": "", "mime": "", "note_state": "none"}
    return {**facts, "client_ref": name.hex().zfill(32), "now": 1.5}


def basename_of(connection: Connection, number: int) -> list[bytes]:
    """The name of an item."""
    return [row["basename"] for row in connection.all("item_by_id", id=number)]


@pytest.mark.parametrize("name", ["move_paid_item", "reserve_in_batch", "move_delivered_item", "record_step"])
def test_rows_are_found_by_their_index_however_few_there_were(connection: PostgresConnection, name: str) -> None:
    """A plan is kept from when the table was empty; one that reads it whole would do so for each file ever after."""
    text = connection.statements[name]
    many = for_many(text, types_of(connection.raw, text))
    assert many is not None
    plan = [row[0] for row in connection.raw.execute(f"EXPLAIN {many.text}", many.values([{}, {}])).fetchall()]

    assert [] == [line for line in plan if "Seq Scan" in line]
