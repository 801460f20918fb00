"""Every call to the system and to the database fails, once or for a while, from the first to the last.

A few files are bought and delivered; each time another call fails. A sample of them is tried each time the tests run,
all of them (some 4,000) with `RUNFLOWD_EVERY_CALL=1`.
"""

from __future__ import annotations

import errno
import os
import random
import sqlite3
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import anyio
import pytest
import trio
from failing_calls import Calls, fail_database, failing_files
from stage_rig import Rig, picture, running
from structlog.testing import capture_logs
from virtual_clock import patient_clock

from runflowd.core.lifecycle import IN_FLIGHT, ItemState
from runflowd.files import TEMPORARY_PREFIX

if TYPE_CHECKING:
    from structlog.typing import EventDict

EVERY = "RUNFLOWD_EVERY_CALL" in os.environ
SAMPLE = 5
"""How many of some hundred calls are tried for each kind of failure when not all are."""

FILES = {"a.jpg": picture(1), "x/b.jpg": picture(1), "c.jpg": picture(2), "text.jpg": b"no image"}
"""Two contents to be bought in one batch, a copy that shares a result, and one that fails."""

TROUBLE = 90.0
"""Seconds for which a lasting failure lasts."""


@dataclass(frozen=True)
class Case:
    """What fails: calls to the system (`files`) or statements, with which error, how long."""

    files: bool
    code: int
    lasting: bool
    late: bool = False

    def __str__(self) -> str:
        where = "files" if self.files else "database"
        return f"{where}-{errno.errorcode[self.code]}-{'lasting' if self.lasting else 'once'}{'-late' * self.late}"


CASES = [
    Case(files, code, lasting)
    for files in (True, False)
    for code in (errno.ENOSPC, errno.EIO, errno.EACCES)
    for lasting in (False, True)
] + [Case(files=False, code=errno.EIO, lasting=lasting, late=True) for lasting in (False, True)]


def live(case: Case, fatal: int) -> tuple[Calls, list[str]]:
    """One life with the `fatal`-th call failing, and one after it; say what is wrong in the end."""
    calls = Calls(fatal, case.code, lasting=case.lasting, late=case.late)
    with TemporaryDirectory() as folder, ExitStack() as stack, capture_logs() as told:
        if case.files:
            stack.enter_context(failing_files(calls))
        try:
            wrong = trio.run(partial(_live, Path(folder), case, calls, told), clock=patient_clock())
        except Exception as error:  # noqa: BLE001  # the other calls are tried all the same
            wrong = [f"it died of {_cause(error)!r}"]
        return calls, wrong


def _cause(error: Exception) -> Exception:
    """The first error within groups of them."""
    return _cause(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error


async def _live(folder: Path, case: Case, calls: Calls, told: list[EventDict]) -> list[str]:
    wrong = []
    async with running(folder) as rig:
        if not case.files:
            fail_database(calls, rig.store)
        await anyio.sleep(3)
        del told[:]
        calls.arm()
        for name, content in FILES.items():
            (folder / "in" / name).parent.mkdir(exist_ok=True)
            (folder / "in" / name).write_bytes(content)
        await anyio.sleep(TROUBLE if case.lasting or not calls.fatal else 30)
        calls.heal()
        if case.lasting:
            wrong += _during(rig, told)
        await _settled(folder)
    async with running(folder) as rig:
        await anyio.sleep(30)
        return wrong + _afterwards(rig)


def _during(rig: Rig, told: list[EventDict]) -> list[str]:
    """What must hold while the trouble lasts."""
    wrong = []
    if rig.charged() and not ask(rig.folder, "SELECT key FROM purchase"):
        wrong.append("something was bought without an intent on record")
    loud = [entry for entry in told if entry["log_level"] in {"warning", "error"}]
    if not (loud or _finished(rig.folder)):
        wrong.append(f"nobody was told; {told}")
    return wrong


def _afterwards(rig: Rig) -> list[str]:
    """What must hold once the trouble is over and the program was started again."""
    wrong = [] if set(rig.charged()) <= {1} and len(rig.charged()) <= 2 else [f"bought {rig.charged()}"]
    out = rig.folder / "out"
    shown = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    wrong += [f"left {name}" for name in shown if TEMPORARY_PREFIX in name]
    for name, content in FILES.items():
        note = shown.pop(f"{name}.failed.txt", None)
        if (note is None) == (shown.pop(name, None) != content):
            wrong.append(f"{name}: neither its whole result nor a note, or both")
        elif note is not None and name != "text.jpg":
            wrong.append(f"{name} failed: {note!r}")
    return wrong + [f"{name} is not expected" for name in shown]


async def _settled(folder: Path) -> None:
    """Wait in virtual time until every file has ended."""
    with anyio.move_on_after(7_200):
        while not _finished(folder):
            await anyio.sleep(5)
    await anyio.sleep(30)


def _finished(folder: Path) -> bool:
    """Whether every file was found and has ended; one that waits is looked at again."""
    found = [ItemState(state) for (state,) in ask(folder, "SELECT state FROM item WHERE current = 1")]
    return len(found) == len(FILES) and not set(found) & (IN_FLIGHT | {ItemState.WAITING})


def ask(folder: Path, sql: str) -> list[tuple[str, ...]]:
    """Look into the state file past the connections that fail."""
    with closing(sqlite3.connect(folder / "state.db")) as connection:
        return connection.execute(sql).fetchall()


@cache
def calls_made(*, files: bool) -> list[str]:
    """The calls of a life in which none fails."""
    calls, wrong = live(Case(files, errno.EIO, lasting=False), fatal=0)
    assert [] == wrong
    return calls.made


def chosen(case: Case) -> list[int]:
    """The calls to fail: all, or a sample that is the same each time."""
    made = calls_made(files=case.files)
    counted = [number for number, name in enumerate(made, start=1) if name == "COMMIT" or not case.late]
    return counted if EVERY else sorted(random.Random(str(case)).sample(counted, SAMPLE))


@pytest.mark.timeout(7_200 if EVERY else 180)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_whichever_call_fails_all_is_bought_once_and_delivered_whole(case: Case) -> None:
    """Also when the service has answered and that cannot be written (scenarios 55, 56, 60, 64)."""
    failed = {}
    for fatal in chosen(case):
        calls, wrong = live(case, fatal)
        if wrong:
            failed[fatal, calls.made[fatal - 1] if calls.struck else "?"] = wrong

    assert {} == failed
