"""A PostgreSQL server for tests, of the distribution: made once a process, with a database for each test."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import subprocess
import tempfile
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runflowd.core.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.store.postgresql.connection import PostgresConnection

QUICK = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "autovacuum=off", "shared_buffers=32MB")
"""What loses data with the power, and nothing else."""

MOST_COPIES = 4
"""Databases of tests that are kept: one test has two at most."""

_numbers = itertools.count()


def programs() -> Path:
    """The folder of `initdb` and `pg_ctl`, in the newest version there is; skips the test where there is none."""
    pytest.importorskip("psycopg")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return found[-1].parent


class Server:
    """A server that listens on a socket in a folder of its own, as a user other than root."""

    def __init__(self, *settings: str) -> None:
        self._owner = os.getpid()
        self._programs = programs()
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._settings = (
            "listen_addresses=",
            f"unix_socket_directories={self.folder}",
            "max_connections=40",
            *settings,
        )
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self._run("initdb", "--auth=trust", "--username=runflowd", "--encoding=UTF8", "--locale=C", "--no-sync")
        access = self.folder / "data/pg_hba.conf"
        access.write_text(f"local all locked scram-sha-256\n{access.read_text()}")
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self.folder / "data"), *arguments]
        user = "postgres" if os.geteuid() == 0 else None
        with (self.folder / "log").open("ab") as log:
            subprocess.run(command, check=True, user=user, group=user, cwd="/", stdout=log, stderr=log)

    def follower(self) -> Server:
        """A server that follows this one, from a copy of it."""
        made = object.__new__(Server)
        made._owner, made._programs = self._owner, self._programs
        made.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        made._settings = (
            "listen_addresses=",
            f"unix_socket_directories={made.folder}",
            "max_connections=40",
            "fsync=off",
        )
        if os.geteuid() == 0:
            shutil.chown(made.folder, "postgres", "postgres")
        way = ("--host", str(self.folder), "--username", "runflowd")
        made._run("pg_basebackup", *way, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
        made.start()
        return made

    def start(self) -> None:
        """Start it; return when it answers."""
        options = " ".join(f"-c {setting}" for setting in self._settings)
        self._run("pg_ctl", "start", "--wait", "-o", options)

    def stop(self, mode: str = "immediate") -> None:
        """Stop it, by default as a kill does."""
        self._run("pg_ctl", "stop", "--wait", "--mode", mode)

    def become_replica(self) -> None:
        """Start it as one that follows another server, which there is not."""
        (self.folder / "data/standby.signal").touch()
        self.start()

    def remove(self) -> None:
        """Stop it, and leave nothing; a process that was forked off leaves it alone."""
        if os.getpid() != self._owner:
            return
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def database(self, name: str) -> Database:
        """A database of that name, there or not."""
        return Database(f"postgresql://runflowd@/{name}?host={self.folder}")

    def execute(self, text: str) -> None:
        """Run a statement that is about databases."""
        import psycopg

        with psycopg.connect(self.database("postgres").address, autocommit=True) as connection:
            connection.execute(text.encode())

    @contextmanager
    def empty(self) -> Iterator[Database]:
        """A new database without anything in it."""
        name = f"test{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY FILE_COPY")
        try:
            yield self.database(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def copied(self, name: str) -> Database:
        """A database of that name, made with the tables of the store when it is first asked for.

        Only the newest few are kept.
        """
        import psycopg

        with psycopg.connect(self.database("postgres").address, autocommit=True) as connection:
            known = [row[0] for row in connection.execute("SELECT datname FROM pg_database ORDER BY oid")]
            if "blank" not in known:
                self._make_blank()
            if name not in known:
                connection.execute(f"CREATE DATABASE {name} TEMPLATE blank STRATEGY FILE_COPY".encode())
                for old in [each for each in known if each.startswith("at_")][:-MOST_COPIES]:
                    connection.execute(f"DROP DATABASE {old} WITH (FORCE)".encode())
        return self.database(name)

    def _make_blank(self) -> None:
        """The database that others are copies of: nobody may be connected to it."""
        from runflowd.store.postgresql.connection import PostgresConnection
        from runflowd.store.postgresql.schema import migrate

        self.execute("CREATE DATABASE blank TEMPLATE template0")
        with closing(PostgresConnection(self.database("blank"))) as connection:
            migrate(connection, self.database("blank"))

    def prepared(self) -> Database:
        """The database that has the tables of the store, and no rows in them."""
        connection = _prepared(self)
        connection.raw.execute(_EMPTY)
        return self.database("prepared")


_EMPTY = """
SET session_replication_role = replica;
DO $$ DECLARE each text; BEGIN
    FOR each IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_version' LOOP
        EXECUTE 'DELETE FROM ' || each;
    END LOOP;
    PERFORM setval(seqrelid::regclass, 1, false) FROM pg_sequence;
END $$
"""
"""Rows are deleted: a copy of a database, or a TRUNCATE, makes a hundred files."""


@cache
def _prepared(server: Server) -> PostgresConnection:
    """A connection to the database that is used again and again."""
    from runflowd.store.postgresql.connection import PostgresConnection
    from runflowd.store.postgresql.schema import migrate

    server.execute("CREATE DATABASE prepared TEMPLATE template0")
    connection = PostgresConnection(server.database("prepared"))
    migrate(connection, server.database("prepared"))
    return connection


@cache
def quick_server() -> Server:
    """The server of this process, which forgets everything with it. Skips the test where there can be none."""
    server = Server(*QUICK)
    atexit.register(server.remove)
    return server
