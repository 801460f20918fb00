"""A PostgreSQL server of the distribution for measuring, set as it comes: what it confirms is on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any, Self

USER = "postgres"
"""Whom it runs as when we are root, which it refuses."""


class Postgres:
    """A server that listens on a socket in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
        if not found:
            raise SystemExit("PostgreSQL is not installed: apt-get install postgresql")
        self._programs = found[-1].parent
        self._folder = folder
        folder.mkdir(parents=True)
        if os.geteuid() == 0:
            shutil.chown(folder, USER, USER)
            for parent in folder.parents:
                if parent.owner() == "root" and parent.stat().st_mode & 0o001 == 0:
                    parent.chmod(parent.stat().st_mode | 0o011)
        self._run("initdb", "--auth=trust", "--username=runflowd", "--encoding=UTF8", "--locale=C")
        self._run("pg_ctl", "start", "--wait", "-o", f"-c listen_addresses= -c unix_socket_directories={folder}")
        self._pid = int((folder / "data/postmaster.pid").read_text().split()[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._run("pg_ctl", "stop", "--wait", "--mode", "immediate")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self._folder / "data"), *arguments]
        user = USER if os.geteuid() == 0 else None
        with (self._folder / "log").open("ab") as log:
            subprocess.run(command, check=True, user=user, group=user, cwd="/", stdout=log, stderr=log)  # noqa: S603

    def database(self, name: str) -> str:
        """The address of a new database."""
        self.ask(f"CREATE DATABASE {name}", "postgres")
        return self.address(name)

    def address(self, name: str) -> str:
        """The address of a database."""
        return f"postgresql://runflowd@/{name}?host={self._folder}"

    def ask(self, text: str, name: str) -> list[tuple[Any, ...]]:
        """The answer to one statement, of none for one that has no answer."""
        import psycopg  # noqa: PLC0415  an extra

        with closing(psycopg.connect(self.address(name), autocommit=True)) as connection:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    def cpu(self) -> float:
        """CPU seconds of the server so far, those of connections that have ended among them."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text("ascii", "replace").rpartition(")")[2].split()
            except OSError:
                continue
            if int(stat.parent.name) == self._pid:
                ticks += sum(map(int, fields[11:15]))
            elif int(fields[1]) == self._pid:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")
