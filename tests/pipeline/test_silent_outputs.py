"""An output folder whose server hangs: every call to it waits, on real threads and in real time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hanging import anyio_backend, hanging, impatient, quick, until  # noqa: F401  two fixtures
from stage_rig import Rig, picture, running

from runflowd.files import Draft

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.core.model import Rule
    from runflowd.files import Written

pytestmark = pytest.mark.anyio

MANY = 40
"""More than there are places for deliveries, those that wait for one included."""


def drop(work: Rule, count: int, start: int = 0) -> None:
    """Put pictures into a rule's folder."""
    for number in range(start, start + count):
        with open(f"{work.watch}/{number}.jpg", "wb") as file:  # noqa: PTH123  rules know text
            file.write(picture(f"{work.name} {number}"))


def delivered(folder: Path, work: Rule) -> int:
    """How many results a rule has."""
    return len(list((folder / work.name / "out").glob("*.jpg")))


def told(rig: Rig) -> set[tuple[str, str]]:
    """Scope and code of every open incident."""
    return {(str(trouble.scope), trouble.code) for trouble in rig.engine.context.incidents.snapshot()}


async def test_an_output_folder_that_does_not_answer_holds_up_its_own_rule_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, the others deliver, and it goes on itself when its server does (scenario 36)."""
    share, disk = quick(tmp_path, "share"), quick(tmp_path, "disk")
    async with running(tmp_path, share, disk) as rig:
        drop(share, 1)
        await until(lambda: delivered(tmp_path, share) == 1)
        with hanging(share.output, monkeypatch) as answer:
            drop(share, MANY, start=1)
            await until(lambda: told(rig) == {("output:share", "OUTPUT_TIMEOUT")})
            drop(disk, 3)
            await until(lambda: delivered(tmp_path, disk) == 3)
            assert 1 == delivered(tmp_path, share)
            answer()
            await until(lambda: delivered(tmp_path, share) == 1 + MANY)
        await until(lambda: not told(rig))

        assert [1] * (1 + MANY + 3) == rig.charged()


async def test_clearing_away_half_a_result_does_not_stop_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a picture came, and now the share hangs, too (scenario 36)."""
    begun, answered = threading.Event(), threading.Event()
    waits: list[bool] = []
    discard = Draft.discard

    def slow_discard(draft: Draft) -> None:
        if draft.root == share.output and not begun.is_set():
            begun.set()
            waits.append(answered.wait(60))
        discard(draft)

    share, disk = quick(tmp_path, "share"), quick(tmp_path, "disk")
    monkeypatch.setattr(Draft, "discard", slow_discard)
    async with running(tmp_path, share, disk) as rig:
        rig.switch(faults={"requests": [{"route": "GET /storage/*", "kind": "short"}]})
        drop(share, 1)
        await until(begun.is_set)
        with hanging(share.output, monkeypatch) as answer:
            await until(lambda: told(rig) == {("output:share", "OUTPUT_TIMEOUT")})
            drop(disk, 1)
            await until(lambda: delivered(tmp_path, disk) == 1)
            assert 0 == delivered(tmp_path, share)
            answered.set()
            answer()
        await until(lambda: delivered(tmp_path, share) == 1)

    assert [True] == waits


async def test_a_share_that_reads_and_does_not_write_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rescan's looks at it are answered all the while, which says nothing of what is written (scenario 36)."""
    answered, flush = threading.Event(), Draft.flush

    def hangs(draft: Draft) -> Written:
        if draft.root == share.output:
            answered.wait(60)
        return flush(draft)

    share, disk = quick(tmp_path, "share"), quick(tmp_path, "disk")
    monkeypatch.setattr(Draft, "flush", hangs)
    async with running(tmp_path, share, disk) as rig:
        drop(share, 1)
        await until(lambda: told(rig) == {("output:share", "OUTPUT_TIMEOUT")})
        drop(disk, 1)
        await until(lambda: delivered(tmp_path, disk) == 1)
        answered.set()
        await until(lambda: delivered(tmp_path, share) == 1)
        await until(lambda: not told(rig))

        assert [1, 1] == rig.charged()
