"""State files of every schema, kept for the builds to come: how they are made, and how they are opened again.

`python -m kept_state FOLDER` in `tests/support` lets the program as it is now work for a while in /srv/runflow and
stops it with rows in every state, money on its way included. What it leaves, the service's own books and all, is
packed into `FOLDER/schema-N.tar.gz`. It is run once for each new schema, before the next one is begun.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import anyio
import anyio.to_thread
import trio
from stage_rig import Rig, rule, running
from virtual_clock import patient_clock

from runflowd.core.lifecycle import ItemState
from runflowd.core.model import BatchLimits, Existing, Rule

HOME = "/srv/runflow"
"""Where the kept installations believe to be."""

KEPT = Path(__file__).parents[1] / "data" / "state"

NAMES = ("done", "slow", "doubt", "dark", "late", "lost", "old")
"""One rule for each kind of row, by what becomes of its files."""


WORTH_KEEPING = (
    {f"item {state}" for state in ItemState}
    | {f"batch {state}" for state in ("sealed", "submitted", "ended")}
    | {f"purchase {outcome}" for outcome in ("intended", "accepted")}
    | {"incident open"}
)
"""The rows without which a kept installation shows little."""

EARLIER_STATES = {
    "following": ItemState.DUPLICATE,
    "batched": ItemState.QUEUED,
    "delivering": ItemState.DOWNLOADING,
    "unknown": ItemState.OUTCOME_UNKNOWN,
}
"""What states were called before schema 11."""


def rules(folder: Path, rescan: float = 10.0) -> tuple[Rule, ...]:
    """The rules of a kept installation, each over folders of its own, looked at every `rescan` seconds."""
    made = [
        rule(
            folder / name,
            name=name,
            batch=BatchLimits(quiet=600 if name == "late" else 5, max_wait=900),
            rescan=rescan,
        )
        for name in NAMES
        if name != "old"
    ]
    return (*made, rule(folder / "old", name="old", existing=Existing.SKIP))


async def live(folder: Path) -> None:
    """A short life, ended in the middle of everything."""
    for name in NAMES:
        (folder / name / "in").mkdir(parents=True)
    (folder / "old" / "in" / "before.jpg").write_bytes(b"was here before its rule")
    async with running(folder, *rules(folder)) as rig:
        await _finish_some(rig)
        await _lose_one(rig)
        await _leave_some_open(rig)


async def _finish_some(rig: Rig) -> None:
    """A result, its duplicate under another name, a file that is no image, and one whose folder has a wrong setting."""
    drop(rig, "done", "a.jpg", "x/b.jpg", "held/held.jpg")
    drop(rig, "done", "twin.jpg", seed="done a.jpg")
    (rig.folder / "done" / "in" / "text.jpg").write_bytes(b"no image at all")
    (rig.folder / "done" / "in" / "held" / "_runflow.yaml").write_text("input: 5\n")
    await rig.settled(6)


async def _lose_one(rig: Rig) -> None:
    """A result that was paid for and is gone."""
    rig.switch(faults={"requests": [{"route": "GET /storage/*", "kind": "status", "status": 404, "count": None}]})
    drop(rig, "lost", "gone.jpg")
    await rig.settled(7, seconds=86_400)


async def _leave_some_open(rig: Rig) -> None:
    """One run still at work, one result that cannot be fetched, a purchase without an answer, files that wait."""
    paid, running = ({"kind": "slow", "seconds": seconds, "count": 1} for seconds in (60, 900))
    stays = {**running, "match": "*running.jpg"}
    rig.switch(faults={"runs": [{**paid, "match": "*paid.jpg"}, stays]})
    for name, path in (("dark", "paid.jpg"), ("slow", "running.jpg")):
        drop(rig, name, path)
        await rig.until(lambda states, path=path: states.get(path) is ItemState.SUBMITTED)  # type: ignore[misc]
    drop(rig, "slow", "follows.jpg", seed="slow running.jpg")
    lose = {"route": "POST /v1/models/*", "kind": "lose", "count": None}
    events_lost = {"route": "GET /v1/runs", "kind": "status", "status": 404, "count": None}
    dark = {"route": "GET /storage/*", "kind": "status", "status": 503, "count": None}
    rig.switch(faults={"requests": [lose, events_lost, dark], "runs": [stays]})
    drop(rig, "doubt", "unanswered.jpg")
    drop(rig, "late", "ready.jpg", "ready-too.jpg")
    with anyio.fail_after(800):
        while not WORTH_KEEPING <= await anyio.to_thread.run_sync(kinds, rig.folder / "state.db"):
            await anyio.sleep(1)


def drop(rig: Rig, name: str, *paths: str, seed: str = "") -> None:
    """Put small images under one of the rules; equal seeds give equal bytes."""
    for path in paths:
        written = rig.drop(f"../{name}/in/{path}", seed or f"{name} {path}")
        assert written.exists()


def kinds(state: Path) -> set[str]:
    """What rows a state file holds: the states of items, of batches, of purchases, and whether there are incidents."""
    asked = {
        "item": "SELECT DISTINCT state FROM item",
        "batch": "SELECT DISTINCT state FROM batch",
        "purchase": "SELECT DISTINCT outcome FROM purchase",
        "incident": "SELECT DISTINCT 'open' FROM incident",
    }
    with closing(sqlite3.connect(state)) as connection:
        found = [(table, kind) for table, sql in asked.items() for (kind,) in connection.execute(sql)]
    return {f"{table} {EARLIER_STATES.get(kind, kind) if table == 'item' else kind}" for table, kind in found}


def pack(folder: Path, target: Path) -> Path:
    """One archive of an installation that nobody works on; refused unless it holds what is worth keeping."""
    if missing := WORTH_KEEPING - kinds(folder / "state.db"):
        raise AssertionError(f"the installation has no {sorted(missing)}")
    with closing(sqlite3.connect(folder / "state.db")) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute("VACUUM")
        connection.execute("PRAGMA journal_mode = DELETE")
    archive = target / f"schema-{version}.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(folder, arcname=".", filter=_plain)
    return archive


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Times count, owners do not."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return None if member.name.endswith((".lock", "-wal", "-shm")) else member


def unpack(version: int, folder: Path) -> None:
    """A kept installation at another place; its rows are told of the move."""
    with tarfile.open(KEPT / f"schema-{version}.tar.gz") as packed:
        packed.extractall(folder, filter="data")
    with closing(sqlite3.connect(folder / "state.db")) as connection, connection:
        new, old = os.fsencode(folder), os.fsencode(HOME)
        connection.execute("UPDATE snapshot SET text = replace(text, ?, ?)", (HOME, str(folder)))
        place = "root" if version >= 16 else "path"
        known = [bytes(path) for (path,) in connection.execute(f"SELECT DISTINCT {place} FROM output")]
        moved = [(path.replace(old, new, 1), path) for path in known]
        connection.executemany(f"UPDATE output SET {place} = ? WHERE {place} = ?", moved)
        for name in NAMES:  # an unpacked file has a new inode, and its row is told of it, too
            _tell_inodes(connection, _MOVED if version >= 13 else _MOVED_BEFORE_13, name, folder / name / "in")


_MOVED = "UPDATE item SET inode = ?, mtime_ns = ? WHERE rule = ? AND dir = ? AND basename = ?"
_MOVED_BEFORE_13 = "UPDATE item SET inode = ?, mtime_ns = ? WHERE rule = ? AND folder = ? AND name = ?"


def _tell_inodes(connection: sqlite3.Connection, sql: str, name: str, root: Path) -> None:
    for path in (path for path in root.rglob("*") if path.is_file()):
        inside = os.fsencode(path.parent.relative_to(root))
        found = (path.stat().st_ino, path.stat().st_mtime_ns, name, b"" if inside == b"." else inside)
        connection.execute(sql, (*found, os.fsencode(path.name)))


def main() -> None:
    """Make the file of the present schema."""
    home = Path(HOME)
    home.mkdir(parents=True)
    try:
        trio.run(live, home, clock=patient_clock())
        print(pack(home, Path(sys.argv[1]).absolute()))  # noqa: T201  a program
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
