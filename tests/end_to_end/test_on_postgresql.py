"""`state: postgresql://...`: the commands over a database, a kill in mid-purchase, and databases that are no good."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest
from command_line import Desk, desk_in
from daemon_process import PASS_THROUGH, picture
from postgres_server import quick_server

psycopg = pytest.importorskip("psycopg")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A folder with a file in it, and no configuration."""
    for made in desk_in(tmp_path):
        made.input.mkdir(exist_ok=True)
        (made.input / "a.jpg").write_bytes(picture())
        yield made


def configure(desk: Desk, address: str) -> None:
    """A configuration whose state is at an address."""
    rule = {"watch": "in", "output": "out", "model": PASS_THROUGH, "settle": "100ms", "batch": {"quiet": "100ms"}}
    desk.config.write_text(json.dumps({"service": "local", "state": address, "rules": {"one": rule}}))


def test_a_purchase_is_one_although_its_buyer_was_killed(desk: Desk) -> None:
    """The next run finds the intent in the database and repeats it with the same key; the commands tell of it."""
    with quick_server().empty() as database:
        configure(desk, database.address)
        killed = desk.run("sync", env={"RUNFLOWD_FAILPOINT": "purchase.answered"})
        synced, status, listed = desk.run("sync"), desk.call("status", "--json"), desk.call("list", "--json")
        with psycopg.connect(database.address) as raw:
            purchases = raw.execute("SELECT outcome FROM purchase").fetchall()

    assert (-signal.SIGKILL, 0) == (killed.code, synced.code)
    assert ([("accepted",)], {"a.jpg"}) == (purchases, set(desk.outputs()))
    assert (database.address, ["done"]) == (
        status.json["state"],
        [each["state"] for each in listed.json["items"]],
    )


def test_a_database_that_is_no_good_is_a_sentence_and_nothing_is_bought(desk: Desk, tmp_path: Path) -> None:
    """No server, no such database, a password that is wrong, tables of somebody else; the right password lets in."""
    server = quick_server()
    server.execute("CREATE ROLE locked LOGIN PASSWORD 'right-7f3a'")
    passwords = tmp_path / "passwords"
    with server.empty() as foreign:
        with psycopg.connect(foreign.address, autocommit=True) as raw:
            raw.execute("CREATE TABLE customers (id bigint)")
        locked = foreign.address.replace("runflowd@", "locked@") + f"&passfile={passwords}"
        passwords.write_text("*:*:*:*:wrong-1c9e\n")
        passwords.chmod(0o600)
        said = {}
        for name, address in {
            "no server": f"postgresql://runflowd@/any?host={tmp_path}",
            "no database": server.database("nowhere").address,
            "wrong password": locked,
            "foreign": foreign.address,
        }.items():
            configure(desk, address)
            said[name] = desk.call("sync")
        passwords.write_text("*:*:*:*:right-7f3a\n")
        configure(desk, locked)
        let_in = desk.call("sync")
    server.execute("DROP ROLE locked")

    assert [75, 75, 75, 78] == [each.code for each in said.values()]
    words = ("Is the server running locally", "does not exist", "password authentication failed", "not runflowd's")
    assert [True] * 4 == [word in each.err for word, each in zip(words, said.values(), strict=True)]
    assert "customers" not in let_in.err
    assert "not runflowd's" in let_in.err
    assert not any("wrong-1c9e" in each.out + each.err for each in said.values())
    assert {} == desk.outputs()


def test_a_backup_is_left_to_the_database(desk: Desk) -> None:
    """Its own program copies it whole."""
    configure(desk, "postgresql://runflowd@db.example.com/runflowd")
    said = desk.call("backup", "copy")

    assert (2, True) == (said.code, "pg_dump --format=custom --file=FILE" in said.err)
