"""`state: postgresql://...`: the commands over a database, a kill in mid-purchase, and databases that are no good."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from command_line import Desk, configure_state, desk_with_a_file_in
from daemon_process import picture
from postgres_server import quick_server

psycopg = pytest.importorskip("psycopg")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A folder with a file in it, and no configuration."""
    yield from desk_with_a_file_in(tmp_path)


def test_a_purchase_is_one_although_its_buyer_was_killed(desk: Desk) -> None:
    """The next run finds the intent in the database and repeats it with the same key; the commands tell of it."""
    with quick_server().empty() as database:
        configure_state(desk, database.address)
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
            configure_state(desk, address)
            said[name] = desk.call("sync")
        passwords.write_text("*:*:*:*:right-7f3a\n")
        configure_state(desk, locked)
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
    configure_state(desk, "postgresql://runflowd@db.example.com/runflowd")
    said = desk.call("backup", "copy")

    assert (69, True) == (said.code, "pg_dump --format=custom --file=FILE" in said.err)


def test_a_state_moves_into_a_database_and_back_with_a_purchase_in_flight(desk: Desk) -> None:
    """Each place goes on where the other one stopped, buys nothing twice, and the one that was left refuses."""
    with quick_server().empty() as database:
        configure_state(desk, "state.db")
        killed = desk.run("sync", env={"RUNFLOWD_FAILPOINT": "purchase.answered"})
        dry = desk.call("state", "copy", "--to", database.address, "--dry-run", "--json").json
        there = desk.call("state", "copy", "--to", database.address)
        refused, examined = desk.call("sync"), desk.call("doctor")
        (desk.folder / "home/.local/state/runflowd").mkdir(parents=True)
        (desk.folder / "local").rename(desk.folder / "home/.local/state/runflowd/local")
        configure_state(desk, database.address)
        synced = desk.call("sync")
        (desk.input / "b.jpg").write_bytes(picture())
        killed_again = desk.run("sync", env={"RUNFLOWD_FAILPOINT": "purchase.answered"})
        back = desk.call("state", "copy", "--to", "back.db", "--json").json
        (desk.folder / "home/.local/state/runflowd/local").rename(desk.folder / "local")
        configure_state(desk, "back.db")
        ended, spent = desk.call("sync"), desk.call("spend", "--check")

    assert (-signal.SIGKILL, 0, 78, 0) == (killed.code, there.code, refused.code, synced.code)
    assert (-signal.SIGKILL, 0, 0, {"a.jpg", "b.jpg"}) == (
        killed_again.code,
        ended.code,
        spent.code,
        set(desk.outputs()),
    )
    assert (False, True, 1) == (dry["moved"], back["moved"], dry["tables"]["purchase"]["rows"])
    assert f"Move the folder of the local service, too: {desk.folder}/local to" in there.out
    assert f"the state was moved to {database.address}" in refused.err
    assert "the state was moved to" in " ".join(examined.out.split())


def test_an_address_with_a_password_is_refused_and_not_repeated(desk: Desk) -> None:
    """What is typed at a command stands in the list of processes."""
    configure_state(desk, "state.db")
    said = desk.call("state", "copy", "--to", "postgresql://runflowd:hunter2@db.example.com/runflowd")

    assert (2, True, False) == (said.code, "passfile=FILE" in said.err, "hunter2" in said.out + said.err)


def test_a_text_that_postgresql_does_not_take_is_named_by_its_table(desk: Desk) -> None:
    """The state stays where it is."""
    configure_state(desk, "state.db")
    (desk.input / "a.jpg").unlink()
    desk.call("sync")
    desk.call("pause", "--all")
    with closing(sqlite3.connect(desk.state)) as raw:
        raw.execute("UPDATE pause SET reason = 'stock' || char(0) || 'taking'")
        raw.commit()
    with quick_server().empty() as database:
        said = desk.call("state", "copy", "--to", database.address)

    assert (1, True) == (said.code, "does not take the rows of pause" in said.err)
    assert 0 == desk.call("status").code
