"""Every call to the system and to the database fails, once or for a while, from the first to the last.

A few files are bought and delivered; each time another call fails. A sample of them is tried each time the tests run,
all of them (some 21,500 lives, two hours on one core) with `RUNFLOWD_EVERY_CALL=1`.
"""

from __future__ import annotations

import errno
import os
import random
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import anyio
import pytest
import trio
from chosen_state import rows_at, state_of
from failing_calls import Calls, fail_database, failing_files
from stage_rig import EPOCH, Rig, picture, rule, running
from structlog.testing import capture_logs
from virtual_clock import patient_clock

from runflowd.core.lifecycle import IN_FLIGHT, ItemState
from runflowd.core.model import After, AfterKind, OnDelete
from runflowd.files import TEMPORARY_PREFIX

if TYPE_CHECKING:
    from structlog.typing import EventDict

    from runflowd.core.model import Rule

EVERY = "RUNFLOWD_EVERY_CALL" in os.environ
SAMPLE = 5
"""How many of some hundred calls are tried for each kind of failure when not all are."""

FILES = {"a.jpg": picture(1), "x/b.jpg": picture(1), "c.jpg": picture(2), "text.jpg": b"no image"}
"""Two contents to be bought in one batch, a copy that shares a result, and one that fails."""

LOGO = picture("logo")

TROUBLE = 90.0
"""Seconds for which a lasting failure lasts."""


class Life(StrEnum):
    """What the rule asks for, and what people do."""

    PLAIN = "plain"
    """Files are dropped, and results stand beside them."""
    ARCHIVE = "archive"
    """Every file goes out in an archive with a reference file, and is moved away when it is done."""
    MOVING = "moving"
    """All is done; then one source is renamed, and another is deleted for good."""


@dataclass(frozen=True)
class Case:
    """What fails: calls to the system (`files`) or statements, with which error, how long, in which life."""

    files: bool
    code: int
    lasting: bool
    late: bool = False
    life: Life = Life.PLAIN
    server: bool = False
    """Whether the database is one on a server; then `EIO` is a connection that is lost, `ENOSPC` a full disk there."""

    def __str__(self) -> str:
        where = "files" if self.files else "server" if self.server else "database"
        how = f"{where}-{errno.errorcode[self.code]}-{'lasting' if self.lasting else 'once'}{'-late' * self.late}"
        return how if self.life is Life.PLAIN else f"{self.life}-{how}"

    @property
    def paths(self) -> int:
        """How many paths there are on record in the end; what was renamed is there twice."""
        return len(FILES) + (self.life is Life.MOVING)

    @property
    def expected(self) -> dict[str, bytes]:
        """By path, what is to be delivered in the end; a note for what is no image."""
        if self.life is not Life.MOVING:
            return FILES
        return {"a.jpg": FILES["a.jpg"], "moved.jpg": FILES["c.jpg"], "text.jpg": FILES["text.jpg"]}


CASES = [
    Case(files, code, lasting)
    for files in (True, False)
    for code in (errno.ENOSPC, errno.EIO, errno.EACCES)
    for lasting in (False, True)
] + [Case(files=False, code=errno.EIO, lasting=lasting, late=True) for lasting in (False, True)]

MORE_CASES = [
    Case(files, code, lasting, life=life)
    for life in (Life.ARCHIVE, Life.MOVING)
    for files, lasting, codes in (
        (True, False, (errno.EIO, errno.ENOSPC, errno.EACCES)),
        (True, True, (errno.EACCES, errno.ENOSPC, errno.EIO)),
        (False, False, (errno.ENOSPC, errno.EIO, errno.EACCES)),
        (False, True, (errno.EIO, errno.ENOSPC, errno.EACCES)),
    )
    for code in (codes if EVERY else codes[:1])
]
"""Rarer lives: each kind of failure once, each error only when all is tried."""


SERVER_CASES = [
    Case(files=False, code=code, lasting=lasting, late=late, server=True)
    for code, late in ((errno.EIO, False), (errno.EIO, True), (errno.ENOSPC, False))
    for lasting in (False, True)
]
"""The same with the state in a database on a server; with `late` the answer to a commit is lost."""


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
    place = state_of(folder, on_postgresql=case.server)
    async with running(folder, chosen_rule(case, folder), place=place) as rig:
        if not case.files:
            fail_database(calls, rig.store)
        await anyio.sleep(3)
        if case.life is Life.MOVING:
            drop_all(folder)
            await _settled(folder, Case(files=True, code=0, lasting=False))
        del told[:]
        calls.arm()
        if case.life is Life.MOVING:
            (folder / "in" / "c.jpg").rename(folder / "in" / "moved.jpg")
            (folder / "in" / "x" / "b.jpg").unlink()
        else:
            drop_all(folder)
        await anyio.sleep(TROUBLE if case.lasting or not calls.fatal else 30)
        calls.heal()
        if case.lasting:
            wrong += _during(rig, case, told)
        await _settled(folder, case)
    async with running(folder, chosen_rule(case, folder), began=EPOCH + 10_000, place=place) as rig:
        await anyio.sleep(200 if case.life is Life.MOVING else 30)
        return wrong + _afterwards(rig, case)


def chosen_rule(case: Case, folder: Path) -> Rule:
    """The rule of a life."""
    if case.life is Life.PLAIN:
        return rule(folder)
    if case.life is Life.MOVING:
        return rule(folder, on_delete=OnDelete.REMOVE)
    (folder / "logo.jpg").write_bytes(LOGO)
    template = {"image_url": "${file.url}", "logo": "${files.logo.url}", "zip_url": "${zip.url}"}
    return rule(
        folder,
        files={"logo": str(folder / "logo.jpg")},
        input={**template, "inside": "${zip.files.logo}"},
        after=After(AfterKind.MOVE, str(folder / "archive")),
    )


def drop_all(folder: Path) -> None:
    """Put every file into the watched folder."""
    for name, content in FILES.items():
        (folder / "in" / name).parent.mkdir(exist_ok=True)
        (folder / "in" / name).write_bytes(content)


def _during(rig: Rig, case: Case, told: list[EventDict]) -> list[str]:
    """What must hold while the trouble lasts."""
    wrong = []
    if rig.charged() and not ask(rig.folder, case, "SELECT key FROM purchase"):
        wrong.append("something was bought without an intent on record")
    loud = [entry for entry in told if entry["log_level"] in {"warning", "error"}]
    if not (loud or _finished(rig.folder, case)):
        wrong.append(f"nobody was told; {told}")
    return wrong


def _afterwards(rig: Rig, case: Case) -> list[str]:
    """What must hold once the trouble is over and the program was started again."""
    wrong = [] if set(rig.charged()) <= {1} and len(rig.charged()) <= 2 else [f"bought {rig.charged()}"]
    shown = _standing(rig.folder / "out")
    wrong += [f"left {name}" for name in shown if TEMPORARY_PREFIX in name]
    for name, content in case.expected.items():
        note = shown.pop(f"{name}.failed.txt", None)
        if (note is None) == (shown.pop(name, None) != content):
            wrong.append(f"{name}: neither its whole result nor a note, or both")
        elif note is not None and name != "text.jpg":
            wrong.append(f"{name} failed: {note!r}")
    if case.life is Life.ARCHIVE:
        whole = {name: content for name, content in FILES.items() if name != "text.jpg"}
        places = (_standing(rig.folder / "archive"), _standing(rig.folder / "in"))
        wrong += [] if places == (whole, {"text.jpg": FILES["text.jpg"]}) else [f"archived {list(places[0])}"]
    return wrong + [f"{name} is not expected" for name in shown]


def _standing(root: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


async def _settled(folder: Path, case: Case) -> None:
    """Wait in virtual time until every file has ended."""
    with anyio.move_on_after(7_200):
        while not _finished(folder, case):
            await anyio.sleep(5)
    await anyio.sleep(30)


def _finished(folder: Path, case: Case) -> bool:
    """Whether every file was found and has ended; one that waits is looked at again."""
    found = [ItemState(state) for (state,) in ask(folder, case, "SELECT state FROM item WHERE current = 1")]
    return len(found) == case.paths and not set(found) & (IN_FLIGHT | {ItemState.WAITING})


def ask(folder: Path, case: Case, sql: str) -> list[tuple[str, ...]]:
    """Look into the state file past the connections that fail."""
    return [tuple(row) for row in rows_at(state_of(folder, on_postgresql=case.server), sql)]


@cache
def calls_made(life: Life, *, files: bool, server: bool) -> list[str]:
    """The calls of a life in which none fails."""
    calls, wrong = live(Case(files, errno.EIO, lasting=False, life=life, server=server), fatal=0)
    assert [] == wrong
    return calls.made


def chosen(case: Case) -> list[int]:
    """The calls to fail: all, or a sample that is the same each time."""
    made = calls_made(case.life, files=case.files, server=case.server)
    counted = [number for number, name in enumerate(made, start=1) if name == "COMMIT" or not case.late]
    return (
        counted
        if EVERY
        else sorted(
            random.Random(str(case)).sample(counted, 1 if case.server or case.life is not Life.PLAIN else SAMPLE)
        )
    )


@pytest.mark.timeout(7_200 if EVERY else 180)
@pytest.mark.parametrize("case", CASES + MORE_CASES + SERVER_CASES, ids=str)
def test_whichever_call_fails_all_is_bought_once_and_delivered_whole(case: Case) -> None:
    """Also when the service has answered and that cannot be written (scenarios 55, 56, 60, 64)."""
    failed = {}
    for fatal in chosen(case):
        calls, wrong = live(case, fatal)
        if wrong:
            failed[fatal, calls.made[fatal - 1] if calls.struck else "?"] = wrong

    assert {} == failed
