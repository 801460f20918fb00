"""The service's database: one connection, short transactions, nothing lost to `kill -9`.

Statements run on the event loop itself. With WAL and `synchronous=NORMAL` a commit only writes to the page
cache (sqlite.org/pragma.html#pragma_synchronous), which takes tens of microseconds; the one slow step, the
checkpoint with its fsync, is switched off here and made by `checkpoint` from a worker thread. A process that
is killed loses nothing; a machine that loses power may lose the last seconds, never consistency.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from runflowd.local.blobs import private_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

VERSION = 3


UPGRADES = {
    2: "ALTER TABLE runs ADD COLUMN starts INTEGER NOT NULL DEFAULT 0;",
    3: "UPDATE runs SET status = 'canceled' WHERE status = 'cancelled';"
    "UPDATE batches SET status = 'canceled' WHERE status = 'cancelled';",
}
"""By version, what makes it of the one before."""


class NewerStorage(RuntimeError):
    """The folder was written by a newer version of this program."""

    def __init__(self, path: Path, version: int) -> None:
        super().__init__(
            f"{path} has schema {version}, this version of runflowd knows {VERSION}. "
            "Upgrade runflowd, or use another folder."
        )


class Storage:
    """Rows in, rows out. All methods run on the thread of the event loop except `checkpoint`."""

    def __init__(self, folder: Path) -> None:
        private_folder(folder.resolve())  # whoever names it may name a link; what it leads to is theirs
        self.path = folder / "local.db"
        self._connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._checkpointed = -1
        self.path.chmod(0o600)  # signing keys are in it
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "wal_autocheckpoint=0", "busy_timeout=5000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._migrate()

    def _migrate(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise NewerStorage(self.path, version)
        if version == 0:
            schema = files("runflowd.local").joinpath("schema.sql").read_text("utf-8")
        else:
            schema = "".join(text for since, text in UPGRADES.items() if version < since)
        self._connection.executescript(f"BEGIN; {schema} PRAGMA user_version = {VERSION}; COMMIT;")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. The block must not await: there is one connection for everyone."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def one(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """The first row, or None."""
        row: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
        return row

    def all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Every row."""
        return self._connection.execute(sql, values).fetchall()

    def run(self, sql: str, *values: Any) -> int:
        """Change rows; return how many."""
        return self._connection.execute(sql, values).rowcount

    def insert(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows that all have the keys of the first. Names of tables and columns come from our own code."""
        listed = list(rows)
        if listed:
            columns = ", ".join(listed[0])
            places = ", ".join(f":{column}" for column in listed[0])
            self._connection.executemany(
                f"INSERT INTO {table} ({columns}) VALUES ({places})",  # noqa: S608 - no foreign text
                listed,
            )

    def meta(self, key: str, default: str) -> str:
        """A remembered setting; the default is remembered when there is none."""
        self.run("INSERT OR IGNORE INTO meta VALUES (?, ?)", key, default)
        row = self.one("SELECT value FROM meta WHERE key = ?", key)
        assert row is not None
        return str(row["value"])

    def set_meta(self, key: str, value: str) -> None:
        """Remember a setting."""
        self.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)

    @property
    def has_log(self) -> bool:
        """Whether anything was written since the last checkpoint."""
        return self._connection.total_changes != self._checkpointed

    def checkpoint(self) -> None:
        """Move the log into the database file, from any thread; waits for the disk."""
        changes = self._connection.total_changes
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self._checkpointed = changes

    def close(self) -> None:
        self._connection.close()
