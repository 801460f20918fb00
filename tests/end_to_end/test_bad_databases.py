"""Databases that cannot hold the state: each command says what is wrong and what to do, and nothing is bought.

Where the remedy is one command at the server it is followed, and then all goes well.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from command_line import Desk, configure_state, desk_with_a_file_in
from daemon_process import contents, picture
from old_postgres import old_server
from postgres_server import Server, quick_server

psycopg = pytest.importorskip("psycopg")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.core.database import Database


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A folder with a file in it, and no configuration."""
    yield from desk_with_a_file_in(tmp_path)


@pytest.fixture
def server() -> Iterator[Server]:
    """The server, with a role of its own that is gone in the end."""
    made = quick_server()
    made.execute("CREATE ROLE visitor LOGIN")
    yield made
    made.execute("DROP OWNED BY visitor; DROP ROLE visitor")


def refusals(desk: Desk, code: int, words: str) -> list[str]:
    """The commands that do not end with a code and these words, of those that need the state."""
    wrong, before = [], contents(desk.output)
    for command in (("sync",), ("run",), ("status",), ("list",), ("pause", "--all"), ("state", "copy", "--to", "x.db")):
        said = desk.call(*command)
        if said.code != code or words not in said.err or "Nothing" not in said.err.replace("nothing", "Nothing"):
            wrong.append(f"{command}: {said.code}, {said.err or said.out}")
    examined = desk.call("doctor")
    if examined.code != 1 or words not in " ".join(examined.out.split()):
        wrong.append(f"doctor: {examined.code}, {examined.out}")
    if before != contents(desk.output):
        wrong.append("something was delivered")
    return wrong


def test_an_old_server_is_named_by_its_version(desk: Desk) -> None:
    """Before it is asked for anything that it does not know."""
    with tempfile.TemporaryDirectory() as folder, old_server(Path(folder), "12.22"):
        configure_state(desk, f"postgresql://runflowd@/runflowd?host={folder}&sslmode=disable&gssencmode=disable")

        assert [] == refusals(desk, 78, "its server is PostgreSQL 12. Use PostgreSQL 14 or newer")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_another_encoding_is_named(desk: Desk, server: Server, encoding: str) -> None:
    """One that does not hold every name and message."""
    server.execute(f"CREATE DATABASE coded ENCODING '{encoding}' TEMPLATE template0")
    configure_state(desk, server.database("coded").address)
    found = refusals(desk, 78, f"its encoding is {encoding}, which does not hold every text. Make one in UTF-8")
    server.execute("DROP DATABASE coded")

    assert [] == found


def test_a_role_that_may_make_no_tables_gets_the_database(desk: Desk, server: Server) -> None:
    """The first start says so, `doctor` before that; the remedy is followed."""
    with server.empty() as database:
        configure_state(desk, database.address.replace("runflowd@", "visitor@"))
        refused, examined = desk.call("sync"), desk.call("doctor")
        server.execute(f"ALTER DATABASE {_name(database)} OWNER TO visitor")
        synced = desk.call("sync")

    assert (78, 0) == (refused.code, synced.code)
    assert "permission denied for schema public" in refused.err
    assert "OWNER TO USER" in refused.err
    assert "lets its role make no tables" in " ".join(examined.out.split())


def _name(database: Database) -> str:
    """What a database of the tests is called at its server."""
    return urlsplit(database.address).path[1:]


def test_too_many_connections_are_named(desk: Desk, server: Server) -> None:
    """A role that may have one has too few for a daemon."""
    server.execute("ALTER ROLE visitor CONNECTION LIMIT 1")
    with server.empty() as database:
        configure_state(desk, database.address.replace("runflowd@", "visitor@"))
        server.execute(f"ALTER DATABASE {_name(database)} OWNER TO visitor")
        with psycopg.connect(database.address.replace("runflowd@", "visitor@")):
            found = refusals(desk, 75, "the limit of this role")
        server.execute("ALTER ROLE visitor CONNECTION LIMIT 3")
        synced = desk.call("sync")

    assert ([], 0) == (found, synced.code)


def test_a_database_that_takes_no_changes_is_left_alone_until_it_does(desk: Desk, server: Server) -> None:
    """As those are that hosts make read-only while their disk is nearly full; looking goes on."""
    with ExitStack() as stack:
        database = stack.enter_context(server.empty())
        configure_state(desk, database.address)
        desk.call("sync")
        (desk.input / "b.jpg").write_bytes(picture())
        name = _name(database)
        server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        refused, looked, examined = desk.call("sync"), desk.call("status"), desk.call("doctor")
        before = set(desk.outputs())
        server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        synced = desk.call("sync")

    assert (75, 0, 0) == (refused.code, looked.code, synced.code)
    assert "See why the server takes no changes" in refused.err
    assert "takes no changes" in " ".join(examined.out.split())
    assert ({"a.jpg"}, {"a.jpg", "b.jpg"}) == (before, set(desk.outputs()))


def test_a_replica_that_follows_its_primary_is_not_taken_for_it(desk: Desk) -> None:
    """It has all rows and takes none."""
    with ExitStack() as stack:
        primary = Server("wal_level=replica", "max_wal_senders=2", "fsync=off")
        stack.callback(primary.remove)
        primary.execute("CREATE DATABASE here")
        configure_state(desk, primary.database("here").address)
        desk.call("sync")
        replica = primary.follower()
        stack.callback(replica.remove)
        configure_state(desk, replica.database("here").address)

        assert [] == refusals(desk, 78, "is a replica, which takes no changes. Name the primary server in `state`")
